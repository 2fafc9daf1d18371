import ArgumentParser
import Runnel

struct TokenizerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenizer", abstract: "Train tokenizers; turn text into token ids and back.",
    discussion: """
      Example: runnel tokenizer train tokenizer.json book.txt --vocabulary 4096
      A TOKENIZER is bytes, a tokenizer's file, or a folder that holds one.
      """,
    subcommands: [Train.self, Encode.self, Decode.self, Info.self])

  struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say what a tokenizer is.",
      discussion: """
        Example: runnel tokenizer info tokenizer.json --json
        With --measure, also how many bytes of stdin make a token.
        """)
    @Argument(help: ArgumentHelp("bytes, a file, or a folder.", valueName: "tokenizer")) var path: String
    @Flag(help: "Encode stdin and count.") var measure = false
    @OptionGroup var documents: DocumentOptions
    @OptionGroup var output: OutputOptions

    private struct Special: Encodable {
      let id: Int
      let token: String
    }
    private struct Result: Encodable {
      let name, kind: String
      let vocabulary: Int
      let merges: Int?
      let sha256, normalizer, pre_tokenizer, decoder: String?
      let special_tokens: [Special]
      let bytes, tokens: Int?
      let bytes_per_token, seconds: Double?
    }

    func run() throws { try report(Tokenizers.load(path)) }

    private func report(_ tokenizer: some Tokenizer) throws {
      let summary = try TokenizerSummary(tokenizer)
      let measured = measure ? try count(tokenizer) : nil
      let rate = measured.flatMap { $0.tokens > 0 ? Double($0.bytes) / Double($0.tokens) : nil }
      if output.json {
        return try Output.json(
          Result(
            name: tokenizer.name, kind: summary.kind, vocabulary: tokenizer.vocabularySize,
            merges: summary.merges, sha256: tokenizer.sha256, normalizer: summary.normalizer,
            pre_tokenizer: summary.preTokenizer, decoder: summary.decoder,
            special_tokens: summary.specialTokens.map { Special(id: $0.id, token: $0.token) },
            bytes: measured?.bytes, tokens: measured?.tokens, bytes_per_token: rate,
            seconds: measured?.seconds))
      }
      var rows = [
        ["tokenizer", tokenizer.name], ["kind", summary.kind],
        ["vocabulary", grouped(tokenizer.vocabularySize)],
      ]
      if let merges = summary.merges { rows.append(["merges", grouped(merges)]) }
      if let name = summary.normalizer { rows.append(["normalizer", name]) }
      if let name = summary.preTokenizer { rows.append(["pre-tokenizer", name]) }
      if let name = summary.decoder { rows.append(["decoder", name]) }
      if let sha256 = tokenizer.sha256 { rows.append(["sha256", sha256]) }
      for special in summary.specialTokens {
        rows.append(["special", "\(special.token.jsonLiteral), id \(special.id)"])
      }
      if let measured {
        rows.append([
          "stdin",
          "\(counted(measured.bytes, "byte")), \(counted(measured.tokens, "token")), "
            + "\(Output.decimals(measured.seconds, 2)) s",
        ])
        if let rate { rows.append(["bytes per token", Output.decimals(rate, 3)]) }
      }
      Output.table(rows)
    }

    private func count(_ tokenizer: some Tokenizer) throws -> (bytes: Int, tokens: Int, seconds: Double) {
      let start = ContinuousClock.now
      var encoder = tokenizer.encoder()
      var (bytes, tokens) = (0, 0)
      var ids: [Int32] = []
      try documents.read { text in
        bytes += text.count
        text.withUnsafeBufferPointer { encoder.feed($0, into: &ids) }
        tokens += ids.count
        ids.removeAll(keepingCapacity: true)
      } finish: {
        encoder.finish(into: &ids)
        tokens += ids.count
        ids.removeAll(keepingCapacity: true)
      }
      return (bytes, tokens, (ContinuousClock.now - start) / .seconds(1))
    }
  }
}
