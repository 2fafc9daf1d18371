/// Text over streams: whole characters as they come, and an end where one is asked for.

import RunnelCheckpoints
import RunnelMixers
import RunnelModels
import RunnelStreaming
import RunnelText
import Testing

@Suite("text over a stream")
struct TextSessionTests {
  let model: LanguageModel
  static let prompt = "It was — once — a mill."

  /// Of bytes: what it draws are many characters of one byte, some of several, and bytes that are none.
  init() throws { model = try smallModel(MinGRU.self, vocabulary: 256) }

  func text(_ seed: UInt64 = 3, marks: TextMarks = TextMarks()) -> TextSession<Session> {
    TextSession(
      Session(model, sampler: Sampler(seed: seed)), tokenizer: ByteTokenizer(), marks: marks)
  }

  /// The pieces of a continuation of the prompt, and the rest of it.
  func pieces<Stream: TokenStream & ~Copyable>(
    _ text: inout TextSession<Stream>, _ limits: TextLimits
  ) throws -> (pieces: [[UInt8]], rest: [UInt8]) {
    text.start(limits)
    var pieces: [[UInt8]] = []
    while let bytes = try text.next() { pieces.append(bytes) }
    return (pieces, text.finish())
  }

  /// The tokens that the stream alone draws.
  func drawn(_ count: Int, seed: UInt64 = 3) throws -> [Int32] {
    var session = Session(model, sampler: Sampler(seed: seed))
    try session.feed(ByteTokenizer().encode(Self.prompt))
    return try (0..<count).map { _ in try #require(try session.next()) }
  }

  @Test("its bytes are those of the tokens that the stream draws, and each piece has whole characters")
  func tokens() throws {
    var text = text()
    try text.read(Self.prompt.utf8)
    let (pieces, rest) = try pieces(&text, TextLimits(maximumTokens: 400))
    let tokens = try drawn(400)
    #expect(pieces.flatMap { $0 } + rest == ByteTokenizer().bytes(of: tokens))
    #expect(text.end == .maximumTokens && text.continuation.tokens == 400)
    // A character that waits for its end is in no piece before: cut anywhere, the text is the same.
    #expect(
      pieces.map { String(decoding: $0, as: UTF8.self) }.joined()
        == String(decoding: pieces.flatMap { $0 }, as: UTF8.self))
    #expect(pieces.contains([]) && pieces.contains { $0.count > 1 })
  }

  @Test("it ends before a stop string or an end token, and says which", arguments: [1, 7, 60, 199])
  func ends(at place: Int) throws {
    let tokens = try drawn(202), bytes = ByteTokenizer().bytes(of: tokens)
    let stop = Array(bytes[place..<place + 3])
    let first = try #require((0...place).first { Array(bytes[$0..<$0 + 3]) == stop })
    // Strings of text must be valid to be given; bytes that are none are given by their token.
    if let string = String(validating: stop, as: UTF8.self) {
      var text = text()
      try text.read(Self.prompt.utf8)
      let (pieces, rest) = try pieces(&text, TextLimits(stops: ["unseen stop", string], maximumTokens: 500))
      #expect(pieces.flatMap { $0 } + rest == Array(bytes[..<first]))
      #expect(text.end == (string == "\n" ? .line : .stop))
    }
    let end = tokens[place]
    var ending = text(marks: TextMarks(ends: [end]))
    try ending.read(Self.prompt.utf8)
    let (pieces, rest) = try pieces(&ending, TextLimits(maximumTokens: 500))
    let before = tokens.prefix { $0 != end }
    #expect(pieces.flatMap { $0 } + rest == ByteTokenizer().bytes(of: before))
    #expect(ending.end == .endToken && ending.continuation.tokens == before.count + 1)
  }

  @Test("a line feed that is asked for ends a line, and the next line is read behind it")
  func lines() throws {
    var text = text(marks: TextMarks(ends: [0]))
    try text.read("a line\n".utf8)
    text.start(TextLimits(stops: ["\n"], maximumTokens: 3))
    while try text.next() != nil {}
    let position = text.stream.position, isEnded = text.end == .line || text.end == .endToken
    try text.endLine()
    #expect(text.stream.position == position + (isEnded ? 0 : 1))
    text.start(TextLimits(stops: ["\n"]))
    while try text.next() != nil {}
    let ended = text.stream.position
    try text.endLine()
    #expect([.line, .endToken].contains(text.end) && text.stream.position == ended)
  }

  @Test("a stream with a journal writes the same text, and a copy of one without goes on by itself")
  func streams() throws {
    try withFolder { folder in
      var plain = text()
      try plain.read(Self.prompt.utf8)
      var fork = plain
      let expected = try pieces(&plain, TextLimits(maximumTokens: 50)).pieces
      #expect(try pieces(&fork, TextLimits(maximumTokens: 50)).pieces == expected)
      var written = TextSession(
        try Journal(Session(model, sampler: Sampler(seed: 3)), in: folder + "/journal"),
        tokenizer: ByteTokenizer())
      try written.read(Self.prompt.utf8)
      #expect(try pieces(&written, TextLimits(maximumTokens: 50)).pieces == expected)
    }
  }

  @Test("what is held back is saved, and is the first of what follows")
  func saving() throws {
    try withFolder { folder in
      let bytes = ByteTokenizer().bytes(of: try drawn(40))
      // The stop string begins with each of the bytes once, and never comes.
      for count in 1...12 {
        guard let stop = String(validating: [bytes[count - 1]] + Array("never".utf8), as: UTF8.self) else {
          continue
        }
        var text = text()
        try text.read(Self.prompt.utf8)
        text.start(TextLimits(stops: [stop], maximumTokens: count))
        var shown: [UInt8] = []
        while let bytes = try text.next() { shown += bytes }
        try text.save(to: folder + "/state")
        let (session, pending) = try StateFile.load(folder + "/state", into: model)
        #expect(shown + pending == Array(bytes[..<count]) && pending.contains(bytes[count - 1]))
        var later = TextSession(session, tokenizer: ByteTokenizer(), pending: pending)
        let (pieces, rest) = try pieces(&later, TextLimits(maximumTokens: 40 - count))
        #expect(shown + pieces.flatMap { $0 } + rest == bytes)
      }
    }
  }

  @Test("where nothing has been read, a text begins with the model's token for that, or cannot")
  func beginning() throws {
    var none = text()
    try none.read([])
    #expect(try !none.begin() && none.next() == nil && none.end == nil)
    var begun = text(marks: TextMarks(begin: 7))
    #expect(try begun.begin() && begun.stream.position == 1)
    #expect(try begun.begin() && begun.stream.position == 1)
    begun.start(TextLimits(maximumTokens: 1))
    #expect(try begun.next() != nil && begun.end == .maximumTokens)
  }

  @Test("texts in company are the texts alone, and each leaves where it ends")
  func batch() throws {
    var batch = TextBatch(model), alone: [Int: [UInt8]] = [:]
    var members: [(TextBatch.Member, Session)] = []
    for id in 1...5 {
      var text = text(UInt64(id))
      try text.read("\(id)".utf8)
      text.start(TextLimits(maximumTokens: 7 * id))
      members.append((TextBatch.Member(id: id, text.continuation), text.stream))
      var bytes: [UInt8] = []
      while let next = try text.next() { bytes += next }
      alone[id] = bytes + text.finish()
    }
    batch.add(Array(members.prefix(2)).map { ($0.0, $0.1) })
    var steps = 0, order: [Int] = []
    while !batch.isEmpty {
      if steps == 3 { batch.add(Array(members.dropFirst(2)).map { ($0.0, $0.1) }) }
      steps += 1
      for member in try batch.next() {
        #expect(member.text == alone[member.id] && member.continuation.end == .maximumTokens)
        order.append(member.id)
      }
    }
    #expect(order == [1, 2, 3, 4, 5])
  }

  @Test("a folder is opened with its tokenizer and its marks")
  func folder() throws {
    try withFolder { folder in
      try ModelFolder.save(model, to: folder)
      try ModelFolder.save(TextMarks(begin: 1, ends: [2]), to: folder)
      var opened = try TextSession(opening: folder, seed: 3)
      #expect(opened.marks == TextMarks(begin: 1, ends: [2]) && opened.tokenizer is ByteTokenizer)
      var own = text(marks: opened.marks)
      for text in [Self.prompt] {
        try opened.read(text.utf8)
        try own.read(text.utf8)
      }
      let limits = TextLimits(maximumTokens: 30)
      #expect(try pieces(&opened, limits).pieces == pieces(&own, limits).pieces)
    }
  }
}
