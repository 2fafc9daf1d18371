import RunnelText
import Testing

@Suite("bytes are tokens")
struct ByteTokenizerTests {
  @Test("decode(encode(bytes)) = bytes, and each id is the byte's value")
  func roundTrip() {
    let tokenizer = ByteTokenizer()
    let all = Array(UInt8.min...UInt8.max)
    #expect(tokenizer.encode(all) == Array(0..<256))
    #expect(tokenizer.decode(tokenizer.encode(all)) == all)
    #expect(tokenizer.encode("é") == [0xC3, 0xA9])
    #expect(tokenizer.encode([]) == [] && tokenizer.decode([]) == [])
    #expect((tokenizer.name, tokenizer.vocabularySize) == ("bytes", 256))
    #expect(tokenizer.sha256 == nil)
  }

  @Test("an id outside the vocabulary has no bytes", arguments: [-1, 256, Int32.max, .min])
  func outside(id: Int32) {
    #expect(ByteTokenizer().decode([id]) == [] && ByteTokenizer().token(of: id) == nil)
  }

  @Test("a byte is called by its hexadecimal digits", arguments: [Int32](0..<256))
  func names(id: Int32) throws {
    let name = try #require(ByteTokenizer().token(of: id))
    #expect(ByteTokenizer().id(of: name) == id && name.utf8.count == 6)
    #expect(ByteTokenizer().id(of: "<0xG0>") == nil)
  }
}
