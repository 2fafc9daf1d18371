import RunnelCheckpoints
import RunnelFiles
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

@Suite("a bad file is refused in one sentence that says what, where and what to do")
struct BadFilesTests {
  static let damaged = "; the file is damaged: save or download it again"
  static func header(_ fields: String) -> String { #"{"a":{"# + fields + "}}" }

  static let headers: [(header: String, data: Int, expected: String)] = [
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 7,
      #"tensor "a", data_offsets: expected an end within the 7 bytes of data in the file, found 8; "#
        + "the file is cut short: copy or download it again"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 9,
      #"byte 70: expected the end of the file, since "a" ends there, found 1 byte more"# + damaged
    ),
    (
      #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8,
      #"tensor "a", data_offsets: expected 12 bytes for F32 of shape [3], found 8 bytes"# + damaged
    ),
    (
      header(#""dtype":"F64","shape":[1152921504606846976,8],"data_offsets":[0,8]"#), 8,
      #"tensor "a", data_offsets: expected a size that fits 63 bits for F64 of shape "#
        + "[1152921504606846976, 8], found 8 bytes" + damaged
    ),
    (
      header(#""dtype":"U8","shape":[0,9223372036854775807,9223372036854775807],"data_offsets":[0,0]"#), 0,
      #"tensor "a", data_offsets: expected a size that fits 63 bits for U8 of shape "#
        + "[0, 9223372036854775807, 9223372036854775807], found 0 bytes" + damaged
    ),
    (
      header(#""dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,0]"#), 0,
      "JSON at byte 36: expected a whole number of at most 63 bits, found a larger one" + damaged
    ),
    (
      header(#""dtype":"U8","shape":[-1],"data_offsets":[0,0]"#), 0,
      #"tensor "a", shape: expected no negative number, found -1"# + damaged
    ),
    (
      header(#""dtype":"U8","shape":[1.0],"data_offsets":[0,1]"#), 1,
      "JSON at byte 36: expected a whole number, found 1.0" + damaged
    ),
    (
      header(#""dtype":"U8","shape":[1],"data_offsets":[1,0]"#), 1,
      #"tensor "a", data_offsets: expected a begin and an end not before it, found [1, 0]"# + damaged
    ),
    (
      header(#""dtype":"U8","shape":[1],"data_offsets":[1]"#), 1,
      #"tensor "a", data_offsets: expected a begin and an end not before it, found [1]"# + damaged
    ),
    (
      header(#""dtype":"U8","shape":[1],"data_offsets":[0,1,2]"#), 1,
      #"tensor "a", data_offsets: expected at most 2 numbers, found more"# + damaged
    ),
    (
      header(#""dtype":"F4","shape":[2],"data_offsets":[0,1]"#), 1,
      #"tensor "a", dtype: expected one of BOOL U8 I8 F8_E4M3 F8_E5M2 U16 I16 F16 BF16 U32 I32 F32 U64 I64 "#
        + #"F64 C64, found "F4"; convert the file to one of these"#
    ),
    (
      header(#""shape":[2],"data_offsets":[0,1]"#), 1,
      #"tensor "a", dtype: expected the field, found none"# + damaged
    ),
    (
      header(#""dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]"#), 1,
      #"tensor "a", shape: expected the field once, found it twice"# + damaged
    ),
    (
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
        + #""a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#,
      2, #"tensor "a", header: expected each name once, found it twice"# + damaged
    ),
    (
      #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"#
        + #""b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#,
      3,
      #"tensor "b", data_offsets: expected bytes from 2, where "a" ends, found an overlap from 1"# + damaged
    ),
    (
      #"{"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]},"#
        + #""a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#,
      5, #"tensor "b", data_offsets: expected bytes from 2, where "a" ends, found a gap up to 3"# + damaged
    ),
    (
      header(#""dtype":"U8","shape":[2],"data_offsets":[1,3]"#), 3,
      #"tensor "a", data_offsets: expected bytes from 0, where the header ends, found a gap up to 1"#
        + damaged
    ),
    (
      #"{"__metadata__":{"a":1}}"#, 0,
      #"JSON at byte 29: expected a string, found '1'"# + damaged
    ),
    (
      #"{"__metadata__":{"a":"1","a":"2"}}"#, 0,
      #"JSON at byte 40: expected each key once, found "a" twice"# + damaged
    ),
    (#"{"a":{"dtype":"U8"}"#, 0, #"tensor "a", shape: expected the field, found none"# + damaged),
    (
      #"{"a":{"dtype":"U8""#, 0,
      "JSON at byte 26: expected ',' or '}', found the end of the document" + damaged
    ),
    (#"{"a"#, 0, "JSON at byte 11: expected the end of a string, found the end of the document" + damaged),
    (#"{} {}"#, 0, "JSON at byte 11: expected nothing after the document, found '{'" + damaged),
    (#"{,}"#, 0, #"JSON at byte 9: expected a string, found ','"# + damaged),
    (
      "{\"a\nb\":1}", 0, "JSON at byte 11: expected no control character in a string, found byte 10" + damaged
    ),
    (
      #"{"\ud800":1}"#, 0,
      "JSON at byte 16: expected a Unicode character, found half of a surrogate pair" + damaged
    ),
    (
      "[]", 0,
      "byte 8: expected a header starting with '{', found byte 91; check that this is a safetensors file"
    ),
    (
      #"{"\u001b[2J\n":{"dtype":"U8"}}"#, 0,
      #"tensor "\u{1b}[2J\u{a}", shape: expected the field, found none"# + damaged
    ),
  ]

  @Test("by its header", arguments: headers.indices)
  func header(index: Int) {
    let (header, data, expected) = Self.headers[index]
    let folder = TemporaryFolder()
    writeRaw(safetensors(header, data: data), to: folder("m"))
    #expect(sentence(in: folder) { _ = try SafetensorsFile(folder("m")) } == "m: " + expected)
  }

  @Test(
    "by the header's length",
    arguments: [
      (
        [1, 2, 3],
        "header length: expected at least 8 bytes, found a file of 3; check that this is a safetensors file"
      ),
      (
        safetensors("{}", data: 0, length: .max),
        "header length (byte 0): expected at most 2 bytes, found 18446744073709551615; "
          + "the file is cut short or no safetensors file"
      ),
      (
        safetensors("", data: 0),
        "byte 8: expected a header starting with '{', found an empty header; "
          + "check that this is a safetensors file"
      ),
    ] as [([UInt8], String)])
  func length(bytes: [UInt8], expected: String) {
    let folder = TemporaryFolder()
    writeRaw(bytes, to: folder("m"))
    #expect(sentence(in: folder) { _ = try SafetensorsFile(folder("m")) } == "m: " + expected)
  }

  @Test("a large sparse file is refused for its header's length before anything is allocated")
  func sparse() {
    let folder = TemporaryFolder()
    writeRaw(safetensors("{}", data: 0, length: 100_000_001), to: folder("m"))
    truncate(folder("m"), 1 << 40)
    #expect(
      sentence(in: folder) { _ = try SafetensorsFile(folder("m")) }
        == "m: header length (byte 0): expected at most 100000000 bytes, found 100000001; "
        + "check that this is a safetensors file")
  }

  @Test("folders, pipes and absent files are refused without waiting")
  func notFiles() {
    let folder = TemporaryFolder()
    mkfifo(folder("pipe"), 0o644)
    #expect(
      sentence(in: folder) { _ = try SafetensorsFile(folder("pipe")) }
        == "pipe: opening: expected a regular file, found a folder, pipe or device; check the path")
    #expect(throws: FileError.self) { try SafetensorsFile(folder.path) }
    #expect(throws: FileError.self) { try SafetensorsFile(folder("absent")) }
    #expect(throws: FileError.self) { try SafetensorsFile(folder("pipe\u{0}x")) }
    #expect(throws: FileError.self) { try openTensors(at: folder.path) }
  }

  @Test("absent tensors, infinities and too many axes are reported by name")
  func contents() throws {
    let folder = TemporaryFolder()
    var writer = SafetensorsWriter()
    writer.add("good", Tensor(zeros: [3]))
    writer.add("bad", Tensor([1, 2, -Float.infinity, Float.nan], [2, 2]))
    writer.add("deep", [0], shape: [1, 1, 1, 1, 1, 1, 1])
    writer.add("deep floats", [0.5], shape: [1, 1, 1, 1, 1, 1, 1])
    try writer.write(to: folder("m"))
    let file = try SafetensorsFile(folder("m"))
    #expect(
      sentence(in: folder) { _ = try file.tensor("bad", requireFinite: true) }
        == #"m: tensor "bad", element 2: expected a finite number, found -inf; "#
        + "the weights are damaged or their training diverged: use another checkpoint")
    #expect(try file.tensor("bad").scalars[2] == -.infinity)
    #expect(
      sentence(in: folder) { _ = try file.tensor("head") }
        == #"m: header: expected a tensor named "head", found none among 4; "#
        + "check that the file belongs to this kind of model")
    #expect(
      sentence(in: folder) { _ = try file.tensor("deep floats") }
        == #"m: tensor "deep floats", shape: expected at most 6 axes, found 7; "#
        + "check that the file belongs to this kind of model")
    #expect(try file.integers("deep") == [0])
  }

  @Test("a file that shrinks after it was opened gives an error")
  func shrinks() throws {
    let folder = TemporaryFolder()
    var writer = SafetensorsWriter()
    writer.add("x", Tensor(zeros: [1000]))
    try writer.write(to: folder("m"))
    let file = try SafetensorsFile(folder("m"))
    truncate(folder("m"), 200)
    #expect(throws: FileError.self) { try file.tensor("x") }
  }
}
