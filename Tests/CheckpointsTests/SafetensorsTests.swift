import RunnelCheckpoints
import RunnelFiles
import RunnelReference
import RunnelTensors
import Testing

@Suite("what the writer wrote, the reader reads")
struct SafetensorsTests {
  @Test("f32, f64, integers, bytes and metadata come back bit for bit, whatever the shapes")
  func roundTrip() throws {
    let folder = TemporaryFolder()
    let shapes: [Shape] = [[], [1], [63], [0, 7], [3, 5, 7], [2, 1, 2, 1, 2, 1]]
    var writer = SafetensorsWriter(metadata: ["format": "pt", "a \"quoted\"\nkey": "ü\u{1}\\"])
    for (i, shape) in shapes.enumerated() {
      writer.add("bytes.\(i)", Array(0...UInt8(i)))
      writer.add("tensor.\(i)", random(shape, seed: UInt64(i)))
    }
    writer.add("name with \"quotes\", ☃ and \t", [Int.min, -1, 0, .max])
    writer.add("doubles", [Double.pi, -.infinity, .leastNonzeroMagnitude], shape: [3, 1])
    try writer.write(to: folder("a.safetensors"))
    #expect(folder.contents == ["a.safetensors"])

    let file = try SafetensorsFile(folder("a.safetensors"))
    #expect(file.metadata == writer.metadata)
    #expect(file.names.prefix(3) == ["bytes.0", "tensor.0", "bytes.1"])
    for (i, shape) in shapes.enumerated() {
      let tensor = try file.tensor("tensor.\(i)", requireFinite: true)
      #expect(tensor.shape == shape)
      #expect(tensor.scalars == random(shape, seed: UInt64(i)).scalars)
      #expect(try file.bytes("bytes.\(i)") == Array(0...UInt8(i)))
      #expect(try file.integers("bytes.\(i)") == Array(0...i))
    }
    #expect(try file.integers("name with \"quotes\", ☃ and \t") == [Int.min, -1, 0, .max])
    #expect(try file.doubles("doubles") == [Double.pi, -.infinity, .leastNonzeroMagnitude])
    #expect(try file.entry("doubles").shape == [3, 1])
    #expect(try file.doubles("tensor.2") == random([63], seed: 2).doubles)
    for name in file.names {
      let entry = try file.entry(name)
      #expect(entry.bytes.lowerBound % entry.elementType.size == 0, "\(name) is not aligned")
    }

    try writer.write(to: folder("b.safetensors"))
    #expect(readRaw(folder("a.safetensors")) == readRaw(folder("b.safetensors")))
  }

  @Test("a file without tensors is a file")
  func empty() throws {
    let folder = TemporaryFolder()
    try SafetensorsWriter().write(to: folder("a"))
    #expect(readRaw(folder("a")) == safetensors("{}      ", data: 0))
    #expect(try SafetensorsFile(folder("a")).names == [])
  }

  @Test("every half and every bfloat16 becomes the float of its value")
  func sixteenBits() throws {
    let folder = TemporaryFolder()
    let patterns = (UInt16.min...UInt16.max).flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
    var writer = SafetensorsWriter()
    writer.add("half", patterns, as: .float16)
    writer.add("brain", patterns, as: .bfloat16)
    try writer.write(to: folder("a"))
    let file = try SafetensorsFile(folder("a"))
    let halves = try file.tensor("half").scalars
    let brains = try file.tensor("brain").scalars
    for pattern in UInt16.min...UInt16.max {
      let half = Float(Float16(bitPattern: pattern))
      let value = halves[Int(pattern)]
      let same = half.isNaN ? value.isNaN : value.bitPattern == half.bitPattern
      if !same { Issue.record("half \(pattern) became \(value), not \(half)") }
      if brains[Int(pattern)].bitPattern != UInt32(pattern) << 16 { Issue.record("bfloat16 \(pattern)") }
    }

    // The floats of bfloat16 numbers are written as the same numbers.
    var again = SafetensorsWriter()
    again.add("brain", try file.tensor("brain"), as: .bfloat16)
    try again.write(to: folder("b"))
    let back = try SafetensorsFile(folder("b")).tensor("brain").scalars
    for (x, y) in zip(brains, back) where x.bitPattern != y.bitPattern && !(x.isNaN && y.isNaN) {
      Issue.record("\(x) became \(y)")
    }
  }

  @Test("writing bfloat16 rounds to the nearest, ties to even")
  func rounding() throws {
    let folder = TemporaryFolder()
    let patterns: [(UInt32, UInt16)] = [
      (0x3F80_7FFF, 0x3F80), (0x3F80_8000, 0x3F80), (0x3F80_8001, 0x3F81), (0x3F81_8000, 0x3F82),
      (0xBF81_8000, 0xBF82), (0x7F7F_FFFF, 0x7F80), (0x0000_8001, 0x0001), (0xFF80_0000, 0xFF80),
    ]
    let values =
      patterns.map { Float(bitPattern: $0.0) } + random([100_000], seed: 5, -3...3).scalars + [.nan]
    var writer = SafetensorsWriter()
    writer.add("x", Tensor(values), as: .bfloat16)
    try writer.write(to: folder("a"))
    let back = try SafetensorsFile(folder("a")).tensor("x").scalars
    for (pattern, value) in zip(patterns, back) { #expect(value.bitPattern == UInt32(pattern.1) << 16) }
    let pairs = zip(values, back).dropFirst(patterns.count).dropLast()
    #expect(pairs.allSatisfy { abs($0 - $1) <= abs($0) / 256 })
    #expect(back.last?.isNaN == true)
  }

  @Test("integers of every width keep their sign and value")
  func integers() throws {
    let folder = TemporaryFolder()
    var writer = SafetensorsWriter()
    let ones = [UInt8](repeating: 0xFF, count: 8)
    for type in [ElementType.int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64] {
      writer.add(type.rawValue, Array(ones.prefix(type.size)), as: type)
    }
    writer.add("flags", [0, 1, 1], as: .bool)
    writer.add("no flags", [0, 2], as: .bool)
    try writer.write(to: folder("a"))
    let file = try SafetensorsFile(folder("a"))
    for name in ["I8", "I16", "I32", "I64"] { #expect(try file.integers(name) == [-1]) }
    #expect(try file.integers("U8") == [255])
    #expect(try file.integers("U16") == [65_535])
    #expect(try file.integers("U32") == [4_294_967_295])
    #expect(try file.integers("flags") == [0, 1, 1])
    #expect(throws: FileError.self) { try file.integers("U64") }
    #expect(throws: FileError.self) { try file.integers("no flags") }
    #expect(throws: FileError.self) { try file.tensor("I64") }
    #expect(throws: FileError.self) { try file.doubles("U8") }
  }

  @Test("a tensor larger than a block is converted whole")
  func blocks() throws {
    let folder = TemporaryFolder()
    let values = random([3, 50_001], seed: 9)
    var writer = SafetensorsWriter()
    writer.add("f64", values.doubles, shape: [3, 50_001])
    writer.add("bf16", values, as: .bfloat16)
    try writer.write(to: folder("a"))
    let file = try SafetensorsFile(folder("a"))
    #expect(try file.tensor("f64").scalars == values.scalars)
    #expect(relativeError(try file.tensor("bf16"), values) < 0.003)
    #expect(try file.tensor("bf16").shape == [3, 50_001])
  }
}

@Suite("an index presents several files as one")
struct TensorIndexTests {
  static func write(_ folder: TemporaryFolder, index: String) throws {
    for i in 1...2 {
      var writer = SafetensorsWriter(metadata: ["part": "\(i)"])
      writer.add("w\(i)", random([4, i], seed: UInt64(i)))
      writer.add("extra", [i])
      try writer.write(to: folder("part-\(i).safetensors"))
    }
    try AtomicFile.write(index, to: folder(TensorIndex.fileName))
  }

  @Test("each tensor comes from the file that the index names, also through the folder")
  func reads() throws {
    let folder = TemporaryFolder()
    try Self.write(
      folder,
      index: """
        {"metadata": {"total_size": 12e3, "list": [null, true, {"a": []}]},
         "weight_map": {"w2": "part-2.safetensors", "w1": "part-1.safetensors",
                        "extra": "part-2.safetensors"}}
        """)
    let source = try openTensors(at: folder.path)
    #expect(source is TensorIndex)
    #expect(source.names == ["w2", "w1", "extra"])
    #expect(try source.tensor("w1").scalars == random([4, 1], seed: 1).scalars)
    #expect(try source.tensor("w2").shape == [4, 2])
    #expect(try source.integers("extra") == [2])
    #expect(source.metadata == ["part": "2"])

    var writer = SafetensorsWriter()
    writer.add("w1", [7])
    try writer.write(to: folder("model.safetensors"))
    #expect(try openTensors(at: folder.path) is SafetensorsFile)
    #expect(try openTensors(at: folder("part-1.safetensors")).names == ["w1", "extra"])
  }

  @Test(
    "a wrong index is refused in a sentence",
    arguments: [
      ("{}", "weight_map: expected the field, found none; check that this is model.safetensors.index.json"),
      (
        #"{"weight_map": {"w1": "../part-1.safetensors"}}"#,
        #"weight_map, "w1": expected the name of a file in the same folder, found "../part-1.safetensors"; "#
          + "do not trust this index"
      ),
      (
        #"{"weight_map": {"w1": "part-2.safetensors"}}"#,
        #"weight_map: expected tensor "w1" in "part-2.safetensors", found it absent; "#
          + "the index and the files do not belong together: download the folder again"
      ),
      (
        #"{"weight_map": {"w1": "part-1.safetensors", "w1": "part-1.safetensors"}}"#,
        #"weight_map: expected each name once, found "w1" twice; "#
          + #"the file is damaged: save or download it again"#
      ),
      (
        #"{"weight_map": {"w1": 3}}"#,
        #"JSON at byte 22: expected a string, found '3'; the file is damaged: save or download it again"#
      ),
      (
        #"{"weight_map": {}, "a": \#(String(repeating: "[", count: 40))"#,
        "JSON at byte 64: expected a value, found the end of the document; "
          + "the file is damaged: save or download it again"
      ),
    ])
  func refuses(index: String, expected: String) throws {
    let folder = TemporaryFolder()
    try Self.write(folder, index: index)
    let path = folder(TensorIndex.fileName)
    #expect(
      sentence(in: folder) { _ = try TensorIndex(path) } == TensorIndex.fileName + ": " + expected)
  }

  @Test("a missing part is named")
  func missing() throws {
    let folder = TemporaryFolder()
    try Self.write(folder, index: #"{"weight_map": {"w1": "part-3.safetensors"}}"#)
    #expect(
      sentence(in: folder) { _ = try openTensors(at: folder.path) }
        == "part-3.safetensors: opening: expected a readable file, found \"No such file or directory\"; "
        + "check the path"
    )
  }
}
