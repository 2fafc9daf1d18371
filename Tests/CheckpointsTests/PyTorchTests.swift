import RunnelCheckpoints
import RunnelReference
import RunnelTensors
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@Suite("a file from torch.save is read without running anything in it")
struct PyTorchTests {
  static let advice = "; nothing of it was run: save only tensors, torch.save(model.state_dict(), …)"
  static let damaged = "; the file is damaged: save or download it again"
  static let numbers: [Float] = (0..<12).map { Float($0) * 0.5 - 2 }

  /// Two views of one storage, a parameter, halves, integers, and a dictionary inside.
  static func state(_ pickle: inout PickleBuilder) {
    pickle.global("collections", "OrderedDict")
    pickle.bytes += Array(")Rq\u{0}(".utf8)
    pickle.text("emb.weight")
    pickle.tensor("FloatStorage", key: "0", storageCount: 12, shape: [3, 4], strides: [4, 1])
    pickle.text("turned")
    pickle.tensor("FloatStorage", key: "0", storageCount: 12, shape: [4, 3], strides: [1, 4])
    pickle.text("part")
    pickle.tensor(
      "FloatStorage", key: "0", storageCount: 12, offset: 5, shape: [2, 1, 3], strides: [4, 9, 1])
    pickle.text("half")
    pickle.tensor("HalfStorage", key: "1", storageCount: 2, shape: [2], strides: [1])
    pickle.text("brain")
    pickle.tensor("BFloat16Storage", key: "1", storageCount: 2, shape: [2], strides: [1])
    pickle.text("parameter")
    pickle.global("torch._utils", "_rebuild_parameter")
    pickle.operation("(")
    pickle.tensor("DoubleStorage", key: "2", storageCount: 1, shape: [], strides: [])
    pickle.bytes += [0x88]
    pickle.global("collections", "OrderedDict")
    pickle.bytes += Array(")RtR".utf8)
    pickle.text("empty")
    pickle.tensor("FloatStorage", key: "3", storageCount: 0, shape: [0, 5], strides: [5, 1])
    pickle.text("step")
    pickle.integer(100_000)
    pickle.text("more")
    pickle.bytes += Array("}(".utf8)
    pickle.text("ids")
    pickle.tensor("LongStorage", key: "4", storageCount: 4, shape: [2, 2], strides: [1, 2])
    pickle.text("none")
    pickle.bytes += Array("Nuu}".utf8)
    pickle.text("_metadata")
    pickle.bytes += Array("h\u{0}sb".utf8)
  }
  static let storages: [[UInt8]] = [
    little(numbers), [0, 0x3E, 0, 0xC2], little((0.1).bitPattern), [],
    ([3, -1, 7, 1 << 40] as [Int64]).flatMap { little($0) },
  ]

  @Test("tensors, views, parameters and nested dictionaries come back by name", arguments: [false, true])
  func reads(isLarge: Bool) throws {
    let folder = TemporaryFolder()
    var zip = torchZip(Self.storages, Self.state)
    zip.isLarge = isLarge
    writeRaw(zip.bytes(), to: folder("m.pth"))
    let file = try openTensors(at: folder("m.pth"))
    #expect(
      file.names == [
        "emb.weight", "turned", "part", "half", "brain", "parameter", "empty", "more.ids",
      ])
    let weight = try file.tensor("emb.weight", requireFinite: true)
    #expect(weight.shape == [3, 4] && weight.scalars == Self.numbers)
    let turned = try file.tensor("turned")
    #expect(turned.shape == [4, 3])
    #expect(turned.scalars == (0..<4).flatMap { i in (0..<3).map { Self.numbers[$0 * 4 + i] } })
    let part = try file.tensor("part")
    #expect(part.shape == [2, 1, 3])
    #expect(part.scalars == [5, 6, 7, 9, 10, 11].map { Self.numbers[$0] })
    #expect(try file.tensor("half").scalars == [1.5, -3])
    #expect(try file.tensor("brain").scalars == [0.125, -32])
    #expect(try file.doubles("parameter") == [0.1])
    #expect(try file.tensor("parameter").shape == [])
    #expect(try file.tensor("empty").shape == [0, 5])
    #expect(try file.integers("more.ids") == [3, 7, -1, 1 << 40])
    #expect(try file.bytes("more.ids") == ([3, 7, -1, 1 << 40] as [Int64]).flatMap { little($0) })
    #expect(try file.bytes("turned") == little(turned.scalars))
    #expect(
      sentence(in: folder) { _ = try file.tensor("more.ids") }
        == "m.pth: tensor \"more.ids\", dtype: expected F16, BF16, F32 or F64, found I64; "
        + "check that the file belongs to this kind of model")
    #expect(
      sentence(in: folder) { _ = try file.tensor("head") }
        == #"m.pth: data.pkl: expected a tensor named "head", found none among 8; "#
        + "check that the file belongs to this kind of model")
  }

  @Test("protocol 4 is read as well")
  func protocol4() throws {
    let folder = TemporaryFolder()
    var pickle = PickleBuilder(bytes: [0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0])
    func text(_ text: String) { pickle.bytes += [0x8C, UInt8(text.utf8.count)] + Array(text.utf8) + [0x94] }
    pickle.bytes += [0x7D, 0x94]
    text("w")
    text("torch._utils")
    text("_rebuild_tensor_v2")
    pickle.bytes += [0x93, 0x94, 0x28, 0x28]
    text("storage")
    text("torch")
    text("FloatStorage")
    pickle.bytes += [0x93]
    text("0")
    text("cpu")
    pickle.bytes += [
      0x4B, 2, 0x74, 0x51, 0x4B, 0, 0x4B, 2, 0x85, 0x4B, 1, 0x85, 0x89, 0x4E, 0x74, 0x52, 0x73,
    ]
    writeRaw(torchArchive([little([1, 2])]) { $0 = pickle }, to: folder("m"))
    #expect(try openTensors(at: folder("m")).tensor("w").scalars == [1, 2])
  }

  @Test("a folder may hold pytorch_model.bin")
  func folder() throws {
    let folder = TemporaryFolder()
    writeRaw(torchArchive(Self.storages, Self.state), to: folder("pytorch_model.bin"))
    #expect(try openTensors(at: folder.path) is PyTorchFile)
  }

  static let pickles: [(body: @Sendable (inout PickleBuilder) -> Void, expected: String)] = [
    (
      {
        $0.global("os", "system")
        $0.text("echo")
        $0.bytes += [0x85, 0x52]
      },
      #"data.pkl at byte 2: expected only the types that tensors need, found "os.system""# + advice
    ),
    (
      {
        $0.text("os")
        $0.text("system")
        $0.bytes += [0x93]
      },
      #"data.pkl at byte 20: expected only the types that tensors need, found "os.system""# + advice
    ),
    (
      { $0.bytes += [0x4E, 0x29, 0x81] },
      "data.pkl at byte 4: expected an operation that tensors need, found NEWOBJ (0x81)" + advice
    ),
    (
      { $0.bytes += Array("(S'echo'\nios\nsystem\n".utf8) },
      "data.pkl at byte 3: expected an operation that tensors need, found STRING (0x53)" + advice
    ),
    (
      { $0.bytes += [0xFF] },
      "data.pkl at byte 2: expected an operation that tensors need, found 0xff" + advice
    ),
    (
      {
        $0.global("collections", "OrderedDict")
        $0.bytes += [0x4E, 0x85, 0x52]
      },
      "data.pkl at byte 29: expected the arguments of a tensor or dictionary, found others" + advice
    ),
    (
      { $0.bytes += [0x4E] },
      "data.pkl: expected a dictionary of tensors, found another value; "
        + "save a state dictionary, torch.save(model.state_dict(), …)"
    ),
    ({ _ in }, "data.pkl at byte 2: expected a value on the stack, found none" + damaged),
    (
      { $0.bytes += [0x28, 0x30] },
      "data.pkl at byte 3: expected an operation that tensors need, "
        + "found POP (0x30)" + advice
    ),
    (
      { $0.bytes += [0x7D, 0x28, 0x73] },
      "data.pkl at byte 4: expected 2 values on the stack, found 0" + damaged
    ),
    (
      { $0.bytes += [0x68, 9] },
      "data.pkl at byte 2: expected a value put away as number 9, found none" + damaged
    ),
    (
      { $0.bytes += [0x8A, 9] + zeros(9) },
      "data.pkl at byte 2: expected a whole number of at most 8 bytes, "
        + "found one of 9" + damaged
    ),
    (
      { $0.bytes = [0x80, 2, 0x58] + little(UInt32.max) },
      "data.pkl at byte 7: expected 4,294,967,295 bytes more, "
        + "found only 1" + damaged
    ),
  ]

  @Test("a pickle that does anything else is refused by name and place", arguments: pickles.indices)
  func refuses(index: Int) {
    let (body, expected) = Self.pickles[index]
    let folder = TemporaryFolder()
    writeRaw(torchArchive([], body), to: folder("m"))
    #expect(sentence(in: folder) { _ = try PyTorchFile(folder("m")) } == "m: " + expected)
  }

  static let views: [(offset: Int, shape: [Int], strides: [Int], count: Int, key: String, expected: String)] =
    [
      (0, [3], [1], 3, "7", #"storage: expected the entry "m/data/7", found none"#),
      (0, [3], [1], 4, "0", #"storage: expected at most the 3 elements of "m/data/0", found 4"#),
      (0, [3], [1], -1, "0", #"storage: expected at most the 3 elements of "m/data/0", found -1"#),
      (
        1, [3], [1], 3, "0",
        "strides: expected elements within the storage's 3, found shape [3], strides [1] from 1"
      ),
      (
        0, [2], [3], 3, "0",
        "strides: expected elements within the storage's 3, found shape [2], strides [3] from 0"
      ),
      (
        0, [2, 2], [1, 0], 3, "0", "shape: expected at most the storage's 3 elements, found shape [2, 2]"
      ),
      (
        0, [1 << 40, 1 << 40], [0, 0], 3, "0",
        "shape: expected at most the storage's 3 elements, found shape [1099511627776, 1099511627776]"
      ),
      (
        0, [-1], [1], 3, "0",
        "shape: expected no negative number and a stride for each axis, found [-1], [1] from 0"
      ),
      (
        0, [1], [-1], 3, "0",
        "shape: expected no negative number and a stride for each axis, found [1], [-1] from 0"
      ),
      (
        -1, [1], [1], 3, "0",
        "shape: expected no negative number and a stride for each axis, found [1], [1] from -1"
      ),
      (
        0, [1], [], 3, "0",
        "shape: expected no negative number and a stride for each axis, found [1], [] from 0"
      ),
      (
        0, [2, 1], [.max, 1], 3, "0",
        "strides: expected elements within the storage's 3, found shape [2, 1], strides [9223372036854775807, 1] from 0"
      ),
    ]

  @Test("a tensor outside its storage is refused by name", arguments: views.indices)
  func outside(index: Int) {
    let view = Self.views[index]
    let folder = TemporaryFolder()
    let bytes = torchArchive([little([1, 2, 3])]) {
      $0.operation("}")
      $0.text("w")
      $0.tensor(
        "FloatStorage", key: view.key, storageCount: view.count, offset: view.offset, shape: view.shape,
        strides: view.strides)
      $0.operation("s")
    }
    writeRaw(bytes, to: folder("m"))
    #expect(
      sentence(in: folder) { _ = try PyTorchFile(folder("m")) }
        == "m: tensor \"w\", " + view.expected + Self.damaged)
  }

  static let archives: [(change: @Sendable (inout ZipBuilder) -> Void, expected: String)] = [
    (
      { $0.method = 8 },
      #"zip entry "m/data.pkl": expected bytes stored as they are, found deflate compression; "#
        + "save the weights again with torch.save"
    ),
    (
      { $0.flags = 1 },
      #"zip entry "m/data.pkl": expected bytes stored as they are, found encryption; "#
        + "save the weights again with torch.save"
    ),
    (
      { $0.entries.append(("m/data/0", [1])) },
      #"zip directory at byte 492: expected each name once, found "m/data/0" twice"# + damaged
    ),
    (
      { $0.entries.append(("n/data.pkl", [])) },
      "zip directory: expected one folder with a data.pkl, found 2; "
        + "check that this is a file that torch.save wrote"
    ),
    (
      { $0.entries[0].name = "data.pkl" },
      "zip directory: expected one folder with a data.pkl, found 0; "
        + "check that this is a file that torch.save wrote"
    ),
    (
      { $0.entries[1].bytes = Array("big".utf8) },
      #"byteorder: expected little, found "big"; save the file again on a little-endian machine"#
    ),
    (
      { $0.headerOffset["m/version"] = 10 },
      #"zip entry "m/version": expected a header at byte 10, found other bytes"# + damaged
    ),
    (
      { $0.headerOffset["m/version"] = 0 },
      #"zip entry "m/version": expected the same name in the header at byte 0, found another"# + damaged
    ),
    (
      { $0.headerOffset["m/version"] = 1 << 30 },
      #"zip entry "m/version": expected a header within the 1922 bytes before the directory, "#
        + "found it at 1073741824" + damaged
    ),
  ]

  @Test("a wrong archive is refused in a sentence", arguments: archives.indices)
  func wrongArchive(index: Int) {
    let folder = TemporaryFolder()
    var zip = torchZip(Self.storages, Self.state)
    Self.archives[index].change(&zip)
    writeRaw(zip.bytes(), to: folder("m"))
    #expect(
      sentence(in: folder) { _ = try PyTorchFile(folder("m")) } == "m: " + Self.archives[index].expected)
  }

  @Test("entries that share bytes are refused")
  func overlap() {
    let folder = TemporaryFolder()
    // An entry whose bytes are a whole archive: its inner header is a second way to the same bytes.
    var inner = ZipBuilder()
    inner.entries = [("m/b", [1, 2, 3])]
    var zip = ZipBuilder()
    zip.entries = [("m/a", inner.bytes()), ("m/b", [1, 2, 3])]
    zip.headerOffset["m/b"] = 64
    writeRaw(zip.bytes(), to: folder("m"))
    #expect(
      sentence(in: folder) { _ = try PyTorchFile(folder("m")) }.hasPrefix(
        #"m: zip entry "m/b": expected a start at or after byte"#))
  }

  @Test("files of other kinds are refused with what to do")
  func otherFiles() {
    let folder = TemporaryFolder()
    writeRaw([0x80, 2, 0x8A, 10] + zeros(40), to: folder("old"))
    #expect(
      sentence(in: folder) { _ = try openTensors(at: folder("old")) }
        == "old: byte 0: expected a zip archive, found the format of torch.save before version 1.6; "
        + "load it in Python and save it again with torch.save(weights, path)")
    for bytes in [[], [1, 2, 3], zeros(100_000)] as [[UInt8]] {
      writeRaw(bytes, to: folder("m.pth"))
      #expect(
        sentence(in: folder) { _ = try openTensors(at: folder("m.pth")) }
          == "m.pth: end: expected the end record of a zip archive, found none; "
          + "the file is cut short or no file from torch.save: copy it again")
    }
  }

  @Test("nesting without end and names without end are errors, not a crash")
  func hostile() throws {
    let folder = TemporaryFolder()
    // A tuple in a tuple, a million deep; the dictionary around it holds no tensor.
    writeRaw(
      torchArchive([]) {
        $0.bytes += [0x7D, 0x4B, 0, 0x4E] + [UInt8](repeating: 0x85, count: 1_000_000) + [0x73]
      }, to: folder("deep"))
    #expect(try PyTorchFile(folder("deep")).names == [])
    // Each dictionary holds the one before twice: 2⁶⁰ paths to one tensor.
    writeRaw(
      torchArchive([little([1])]) {
        $0.tensor("FloatStorage", key: "0", storageCount: 1, shape: [1], strides: [1])
        $0.bytes += [0x71, 0]
        for _ in 0..<60 {
          $0.bytes += [0x7D, 0x4B, 1, 0x68, 0, 0x73, 0x4B, 2, 0x68, 0, 0x73, 0x71, 0]
        }
      }, to: folder("wide"))
    #expect(try PyTorchFile(folder("wide")).names.count <= 2)
    // A dictionary that holds itself.
    writeRaw(
      torchArchive([]) { $0.bytes += [0x7D, 0x71, 0, 0x4B, 1, 0x68, 0, 0x73] }, to: folder("cycle"))
    #expect(try PyTorchFile(folder("cycle")).names == [])
  }

  @Test("no mutation crashes: an error, or tensors within the file", arguments: 0..<4)
  func fuzz(seed: UInt64) throws {
    let folder = TemporaryFolder()
    var zip = torchZip(Self.storages, Self.state)
    zip.isLarge = seed % 2 == 1
    let original = zip.bytes()
    var generator = SeededGenerator(seed: 70 + seed)
    var loaded = 0
    for _ in 0..<3000 {
      var bytes = FuzzTests.mutated(original, using: &generator)
      // Half of the damage goes to the places that say where things are.
      if Bool.random(using: &generator), bytes.count > 1000 {
        let position = Int.random(in: 0..<900, using: &generator)
        let place = Bool.random(using: &generator) ? position : bytes.count - 1 - position
        bytes[place] = UInt8.random(in: 0...255, using: &generator)
      }
      writeRaw(bytes, to: folder("m"))
      guard let file = try? PyTorchFile(folder("m")) else { continue }
      loaded += 1
      for name in file.names {
        let entry = try file.entry(name)
        #expect(entry.bytes.lowerBound >= 0 && entry.bytes.upperBound <= bytes.count)
        #expect(entry.count * entry.elementType.size <= bytes.count)
        #expect(try file.bytes(name).count == entry.count * entry.elementType.size)
        if let tensor = try? file.tensor(name) { #expect(tensor.count == entry.count) }
        if let integers = try? file.integers(name) { #expect(integers.count == entry.count) }
      }
    }
    #expect(loaded > 30 && loaded < 2500)
  }
}
