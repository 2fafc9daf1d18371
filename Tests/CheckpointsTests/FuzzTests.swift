import RunnelCheckpoints
import RunnelReference
import RunnelTensors
import Testing

@Suite("damage is an error or changes nothing but the bytes it hit")
struct FuzzTests {
  static func valid(_ folder: TemporaryFolder) throws -> [UInt8] {
    var writer = SafetensorsWriter(metadata: ["format": "pt", "é": "\"\\"])
    writer.add("layers.0.weight", random([3, 4], seed: 1))
    writer.add("layers.0.bias", random([5], seed: 2), as: .bfloat16)
    writer.add("steps", [1, -2, 3])
    writer.add("moments", [0.25, -0.5], shape: [2, 1])
    writer.add("ids", Array(0..<7))
    writer.add("absent", Tensor.absent)
    try writer.write(to: folder("valid"))
    return readRaw(folder("valid")) ?? []
  }

  /// One to four changes of the kinds that disks, transfers and attackers make.
  static func mutated(_ original: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
    var bytes = original
    for _ in 0...Int.random(in: 0...3, using: &generator) {
      guard !bytes.isEmpty else { break }
      let headerEnd = min(bytes.count, original.count - 128)
      let position =
        Bool.random(using: &generator)
        ? Int.random(in: 0..<bytes.count, using: &generator)
        : Int.random(in: 0..<max(1, headerEnd), using: &generator)
      switch Int.random(in: 0..<9, using: &generator) {
      case 0: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 1: bytes[position] = UInt8.random(in: 0...255, using: &generator)
      case 2: bytes.removeSubrange(position...)
      case 3: bytes.remove(at: position)
      case 4: bytes.insert("{}[],:\"\\0919e-".utf8.randomElement(using: &generator) ?? 0, at: position)
      case 5: bytes += (0..<Int.random(in: 1...9, using: &generator)).map { UInt8($0) }
      case 6: bytes[min(bytes.count - 1, position % 8)] = UInt8.random(in: 0...255, using: &generator)
      case 7:
        // A stretch over another: doubled names, doubled fields.
        let length = min(Int.random(in: 1...60, using: &generator), bytes.count - position)
        let target = Int.random(in: 0...bytes.count - length, using: &generator)
        bytes.replaceSubrange(target..<target + length, with: Array(bytes[position..<position + length]))
      default:
        // Another digit, which is what a header is most sensitive to.
        let digits = bytes.indices.filter { bytes[$0] >= 0x30 && bytes[$0] <= 0x39 }
        if let digit = digits.randomElement(using: &generator) {
          bytes[digit] = UInt8.random(in: 0x30...0x39, using: &generator)
        }
      }
    }
    return bytes
  }

  /// Whether the file loads. What loads must be the bytes of the file, each of them once.
  static func loads(_ path: String, _ bytes: [UInt8]) throws -> Bool {
    do {
      let file = try SafetensorsFile(path)
      var total = 0
      for name in file.names {
        let entry = try file.entry(name)
        total += entry.bytes.count
        #expect(try file.bytes(name) == Array(bytes[entry.bytes]))
        #expect(entry.shape.reduce(entry.elementType.size, *) == entry.bytes.count)
        for read in [
          { (try? file.tensor(name))?.count }, { (try? file.integers(name))?.count },
          { (try? file.doubles(name))?.count },
        ] {
          if let count = read() { #expect(count == entry.count) }
        }
      }
      let header = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      #expect(total == bytes.count - 8 - header)
      return true
    } catch {
      return false
    }
  }

  @Test("four thousand random mutations at a time", arguments: 0..<4)
  func mutations(seed: UInt64) throws {
    let folder = TemporaryFolder()
    let original = try Self.valid(folder)
    #expect(try Self.loads(folder("valid"), original))
    var generator = SeededGenerator(seed: seed)
    var loaded = 0
    for _ in 0..<4000 {
      let bytes = Self.mutated(original, using: &generator)
      writeRaw(bytes, to: folder("m"))
      if try Self.loads(folder("m"), bytes) { loaded += 1 }
    }
    // Some damage only touches numbers; most of it must be noticed.
    #expect(loaded > 100 && loaded < 2000)
  }

  @Test("no beginning of a file loads but the whole")
  func truncations() throws {
    let folder = TemporaryFolder()
    let original = try Self.valid(folder)
    for length in 0..<original.count {
      writeRaw(Array(original[..<length]), to: folder("m"))
      let isLoaded = try Self.loads(folder("m"), Array(original[..<length]))
      #expect(!isLoaded)
    }
  }

  @Test("a damaged index is an error or still names tensors that are there")
  func index() throws {
    let folder = TemporaryFolder()
    let json =
      #"{"metadata":{"total_size":68},"weight_map":{"w1":"part-1.safetensors","w2":"part-2.safetensors"}}"#
    try TensorIndexTests.write(folder, index: json)
    var generator = SeededGenerator(seed: 8)
    for _ in 0..<2000 {
      writeRaw(Self.mutated(Array(json.utf8), using: &generator), to: folder("index"))
      do {
        let source = try TensorIndex(folder("index"))
        for name in source.names { #expect(try source.bytes(name).count == source.entry(name).bytes.count) }
      } catch {}
    }
  }
}
