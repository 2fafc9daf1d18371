/// A checksum that stands in the JSON that it is of: the member `"xxh64"`, XXH64 over all bytes with its own sixteen digits
/// taken as zeros. What this library writes has one, so that no damage to it is believed; what has none is read as it is.

package enum Seal {
  package static let key = "xxh64"
  /// What stands in the place of the checksum until it is known.
  package static let blank = String(repeating: "0", count: digits)
  private static let digits = 16

  /// An object of JSON with a seal as its last member.
  package static func sealed(_ object: [UInt8]) -> [UInt8] {
    guard let end = object.lastIndex(of: UInt8(ascii: "}")),
      let last = object[..<end].lastIndex(where: { !isSpace($0) })
    else { return object }
    let isLong = object.contains(0x0A), isEmpty = object[last] == UInt8(ascii: "{")
    let member = (isLong ? "\n  " : "") + "\"\(key)\"" + (isLong ? " : " : ":") + "\"\(blank)\""
    var json = Array(object[...last])
    json += Array(((isEmpty ? "" : ",") + member).utf8) + object[(last + 1)...]
    close(&json)
    return json
  }

  /// Writes the checksum into its place.
  package static func close(_ json: inout [UInt8]) {
    guard let place = place(in: json) else { return }
    json.replaceSubrange(place, with: Array(blank.utf8))
    let hash = json.withUnsafeBytes { xxh64($0) }
    json.replaceSubrange(place, with: Array(hexadecimal(hash, digits: digits).utf8))
  }

  /// Refuses JSON whose checksum is not its own.
  package static func check(_ json: [UInt8], _ path: String) throws(FileError) {
    guard let place = place(in: json) else { return }
    var closed = json
    close(&closed)
    guard closed == json else {
      throw mismatch(
        path, at: "field \"\(key)\"", stored: String(decoding: json[place], as: UTF8.self),
        computed: String(decoding: closed[place], as: UTF8.self),
        remedy: "or was changed by hand: then remove this field")
    }
  }

  /// The error of bytes that are not those that were written.
  package static func mismatch(
    _ path: String, at place: String, stored: String, computed: String, remedy: String
  ) -> FileError {
    FileError(
      path, at: place, expected: "the checksum of what was written, \(quoted(stored))",
      found: quoted(computed), remedy: "the file is damaged, \(remedy)")
  }

  /// Where the first sixteen digits of the member's value stand. (Within a string the key's quotation marks are escaped.)
  private static func place(in json: [UInt8]) -> Range<Int>? {
    let name = Array("\"\(key)\"".utf8)
    var start = 0
    while let quote = json[start...].firstIndex(of: name[0]) {
      start = quote + 1
      guard json[quote...].starts(with: name) else { continue }
      var next = quote + name.count
      func skip(_ byte: UInt8) -> Bool {
        while next < json.count, isSpace(json[next]) { next += 1 }
        guard next < json.count, json[next] == byte else { return false }
        next += 1
        return true
      }
      guard skip(UInt8(ascii: ":")), skip(UInt8(ascii: "\"")), next + digits <= json.count else { continue }
      return next..<next + digits
    }
    return nil
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}
