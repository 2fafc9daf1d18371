/// The tokenizer of a folder: its own file, and what the folder says beside it. What is read is what transformers' class makes
/// of the folder, or it is refused.

import RunnelFiles

struct FolderTokenizer {
  let settings: TokenizerSettings
  private let kind: TokenizerClass

  /// - Parameter standard: the class of a folder that names none.
  init(_ folder: String, standard: String? = nil) throws(FileError) {
    settings = try TokenizerSettings(in: folder)
    kind = (settings.className ?? standard).flatMap { TokenizerClass.all[$0] } ?? TokenizerClass()
  }

  private func refusal(_ field: String, expected: String, found: String, remedy: String) -> FileError {
    FileError(settings.path, at: "field \"\(field)\"", expected: expected, found: found, remedy: remedy)
  }

  /// The tokens with a part, those that the class has by itself among them, in the order of the parts.
  private var specials: [TokenizerSettings.Special] {
    TokenizerSettings.roles.flatMap { role -> [TokenizerSettings.Special] in
      let own = settings.specials.filter { $0.role == role }
      if !own.isEmpty || settings.absent.contains(role) { return own }
      return kind.specials.filter { $0.role == role }.map { .init(role: role, name: $0.name, token: nil) }
    }
  }

  /// The name of the token with a part.
  private func name(of role: String) -> String? { specials.first { $0.role == role }?.name }

  /// The id of the token with a part.
  func id(of role: String, in tokenizer: some Tokenizer) -> Int32? {
    name(of: role).flatMap { name in
      settings.declared.first { $0.content.elementsEqual(name.utf8) }?.id ?? tokenizer.id(of: name)
    }
  }

  /// The tokens that transformers adds, in its order: those with ids of their own, then those with a part.
  private func added(normalizes: Bool) -> [AddedToken] {
    let names = Set(specials.map { Array($0.name.utf8) })
    var tokens = settings.declared
    for special in specials {
      var token =
        special.token
        ?? AddedToken(
          content: Array(special.name.utf8), id: -1,
          isNormalized: normalizes && kind.normalizedRoles.contains(special.role),
          stripsLeft: normalizes && kind.stripsLeft == special.role)
      if tokens.contains(where: { $0.content == token.content }) { continue }
      token.id = -1
      tokens.append(token)
    }
    for index in tokens.indices where names.contains(tokens[index].content) { tokens[index].isSpecial = true }
    return tokens
  }

  // MARK: A pair of files

  /// The tokenizer of a vocabulary and merges; that of GPT-2's own code, without special tokens, where the folder says
  /// nothing.
  static func load(vocabulary: String, merges: String, in folder: String) throws -> any Tokenizer {
    let maker = try FolderTokenizer(folder, standard: "GPT2Tokenizer")
    let bytes = try Tokenizers.contents(of: vocabulary)
    var parts = MergesFile.Parts()
    if !maker.settings.saysNothing {
      let pair = try maker.pair(), ids = try Self.ids(bytes, path: vocabulary)
      parts.added = Self.numbered(maker.added(normalizes: true), ids.count) { ids[$0] }
      parts.isComposed = pair == .qwen2
      parts.addsPrefixSpace = pair == .gpt2 && maker.settings.addsPrefixSpace == true
      func token(_ name: String) -> AddedToken? { parts.added.first { $0.content.elementsEqual(name.utf8) } }
      if let (before, after) = maker.kind.template {
        (parts.before, parts.after) = (try maker.mark(before, token), try maker.mark(after, token))
      } else if maker.settings.addsBegin == true, maker.kind.mayAddBegin {
        parts.before = try maker.mark("bos_token", token)
      }
    }
    let file = try MergesFile.joined(
      vocabulary: bytes, merges: Tokenizers.contents(of: merges), mergesPath: merges, parts)
    var tokenizer = try BPETokenizer(file, path: vocabulary)
    tokenizer.splitsSpecialTokens = maker.settings.splitsSpecialTokens
    return tokenizer
  }

  /// How a pair of files is read, if the class reads one.
  private func pair() throws -> TokenizerClass.Pair {
    let pairs = TokenizerClass.all.filter { $0.value.pair != nil }.keys.sorted()
    guard let pair = kind.pair else {
      throw refusal(
        "tokenizer_class",
        expected: "one of \(pairs.joined(separator: ", ")), which read a vocabulary and merges",
        found: quoted(settings.className ?? ""),
        remedy: "save it as a tokenizer.json: save_pretrained of its fast class in transformers")
    }
    guard kind.pair != .gpt2 || kind.template != nil || kind.mayAddBegin || settings.addsBegin != true else {
      throw refusal(
        "add_bos_token", expected: "false, as transformers has it for \(settings.className ?? "")",
        found: "true",
        remedy: "set it to false, and ask for special tokens where they are wanted")
    }
    return pair
  }

  /// The ids of a vocabulary's tokens.
  private static func ids(_ bytes: [UInt8], path: String) throws(FileError) -> [[UInt8]: Int32] {
    var scanner = JSONScanner(bytes, file: path), name: [UInt8] = [], ids: [[UInt8]: Int32] = [:]
    try scanner.beginObject()
    while try scanner.nextKey(into: &name) { ids[name] = Int32(clamping: try scanner.integer()) }
    return ids
  }

  /// New tokens with the ids that the original gives them where they have none: those of the vocabulary, else the next ones.
  private static func numbered(_ tokens: [AddedToken], _ count: Int, _ id: ([UInt8]) -> Int32?)
    -> [AddedToken]
  {
    var next = Int32(clamping: count)
    return tokens.map { token in
      var token = token
      if token.id < 0 { token.id = id(token.content) ?? next }
      next = max(next, token.id &+ 1)
      return token
    }
  }

  /// The token of a part, for a template.
  private func mark<Found>(_ role: String, _ find: (String) -> Found?) throws -> Found {
    let name = name(of: role)
    guard let name, let found = find(name) else {
      throw refusal(
        role, expected: "a token of the tokenizer, to stand before or after a text",
        found: name.map(quoted) ?? "none", remedy: "name it there")
    }
    return found
  }

  // MARK: A tokenizer's file

  /// What the folder makes of the tokenizer of a file in it.
  func applied(to tokenizer: any Tokenizer, path: String) throws -> any Tokenizer {
    guard !settings.saysNothing else { return tokenizer }
    var tokenizer = tokenizer
    let json =
      tokenizer.file.flatMap(Tokenizers.Kind.init) == .tokenizerJSON ? tokenizer as? BPETokenizer : nil
    if let json {
      tokenizer = try adding(to: json, path: path)
    } else if let stranger = settings.declared.first(where: {
      // What RWKV World's id 0 is called, its file does not say.
      !(tokenizer is RWKVTokenizer && $0.id == 0)
        && tokenizer.id(of: String(decoding: $0.content, as: UTF8.self)) != $0.id
    }) {
      throw FileError(
        path, at: "token \(stranger.id)",
        // A corpus and a model keep this one file, and what the folder adds could not go with it.
        expected: quoted(String(decoding: stranger.content, as: UTF8.self))
          + ", which the folder adds, in this file, as corpora keep it alone",
        found: tokenizer.token(of: stranger.id).map(quoted) ?? "none",
        remedy: "save it as a tokenizer.json with transformers: save_pretrained of its fast class")
    }
    if settings.splitsSpecialTokens { tokenizer.splitsSpecialTokens = true }
    guard json == nil else { return tokenizer }
    func ids(_ role: String, if isWanted: Bool?, else standard: [Int32]) throws -> [Int32] {
      guard let isWanted else { return standard }
      return isWanted ? [try mark(role, tokenizer.id)] : []
    }
    tokenizer.template = TokenTemplate(
      before: try ids(
        "bos_token", if: settings.addsBegin ?? kind.marks?.begin, else: tokenizer.template.before),
      after: try ids("eos_token", if: settings.addsEnd ?? kind.marks?.end, else: tokenizer.template.after))
    return tokenizer
  }

  /// A `tokenizer.json` with the tokens that the folder adds to it, and with its space before a text.
  private func adding(to tokenizer: BPETokenizer, path: String) throws -> BPETokenizer {
    guard let file = tokenizer.file else { return tokenizer }
    let parts = try TokenizerJSON.parts(of: file.bytes, path: path)
    var tokens = parts.added
    let wanted = added(normalizes: false).filter { token in
      // A token that is only named is there already, whatever its flags.
      guard let own = tokens.first(where: { $0.content == token.content }) else { return true }
      return settings.declared.contains { $0.content == token.content } && own != token
    }
    let ids = { tokenizer.id(of: String(decoding: $0 as [UInt8], as: UTF8.self)) }
    for token in Self.numbered(wanted, tokenizer.vocabularySize, ids) {
      if let place = tokens.firstIndex(where: { $0.content == token.content }) {
        tokens[place] = token
      } else {
        tokens.append(token)
      }
    }
    var edits: [(place: Range<Int>, text: String)] = []
    if tokens != parts.added {
      guard let place = parts.addedPlace else {
        throw FileError(
          path, at: "added_tokens", expected: "a list, to which \(TokenizerSettings.configurationName) adds",
          found: "none", remedy: "save the tokenizer again with its own library")
      }
      edits.append((place, MergesFile.list(tokens.sorted { $0.id < $1.id })))
    }
    if let bytes = parts.byteLevel, let adds = settings.addsPrefixSpace, adds != bytes.addsPrefixSpace {
      edits.append((bytes.place, MergesFile.byteLevel(addsPrefixSpace: adds, splits: bytes.splits)))
    }
    // Some classes make the template themselves, whatever the file has.
    if let marks = kind.marks {
      func token(_ name: String) -> AddedToken? { tokens.first { $0.content.elementsEqual(name.utf8) } }
      let before = try settings.addsBegin ?? marks.begin ? mark("bos_token", token) : nil
      let after = try settings.addsEnd ?? marks.end ? mark("eos_token", token) : nil
      let template = TokenTemplate(before: before.map { [$0.id] } ?? [], after: after.map { [$0.id] } ?? [])
      if template != tokenizer.template, let place = parts.templatePlace {
        edits.append((place, MergesFile.template(before, after)))
      }
    }
    guard !edits.isEmpty else { return tokenizer }
    var bytes = file.bytes
    for edit in edits.sorted(by: { $0.place.lowerBound > $1.place.lowerBound }) {
      bytes.replaceSubrange(edit.place, with: edit.text.utf8)
    }
    return try BPETokenizer(TokenizerFile(name: file.name, bytes: bytes), path: path)
  }
}

extension Tokenizers {
  /// The tokens that begin and end a text, as the folder of a tokenizer names them; nil where it does not, or where the
  /// tokenizer has no such token. Other kinds than a `tokenizer.json` say it themselves, where the folder does not.
  package static func marks(in folder: String, of tokenizer: any Tokenizer) throws(FileError) -> (
    begin: Int32?, end: Int32?
  ) {
    let end = tokenizer.id(of: "<|endoftext|>")
    let own: (begin: Int32?, end: Int32?)
    switch tokenizer.file.flatMap(Kind.init) {
    case .rwkv: own = (nil, 0)
    case .sentencePiece, .tekken: own = (tokenizer.id(of: "<s>"), tokenizer.id(of: "</s>"))
    // Qwen's texts begin with no token of their own.
    case .tiktoken: own = (tokenizer.id(of: "<|im_start|>") == nil ? end : nil, end)
    case .tokenizerJSON, nil: own = (nil, nil)
    }
    guard isFolder(folder) else { return own }
    let isPair = !fileNames.contains { fileExists(folder + "/" + $0) }
    let named = try FolderTokenizer(folder, standard: isPair ? "GPT2Tokenizer" : nil)
    guard !named.settings.saysNothing else { return own }
    func id(_ role: String, else standard: Int32?) -> Int32? {
      named.id(of: role, in: tokenizer) ?? (named.settings.absent.contains(role) ? nil : standard)
    }
    return (id("bos_token", else: own.begin), id("eos_token", else: own.end))
  }
}
