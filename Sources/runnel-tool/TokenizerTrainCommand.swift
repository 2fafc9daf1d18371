/// `runnel tokenizer train`: texts become a byte-level BPE vocabulary.

import ArgumentParser
import Foundation
import Runnel
import RunnelFiles

extension TokenizerCommand {
  struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Learn a byte-level BPE vocabulary, written as a Hugging Face tokenizer.json.",
      discussion: """
        Example: runnel tokenizer train tokenizer.json book.txt more.jsonl.zst --vocabulary 8192
        Texts are read as `corpus build` reads them; the result depends on them alone, not on their order or \
        the number of threads.
        """)

    @Argument(help: ArgumentHelp("The tokenizer.json to write.", valueName: "out")) var path: String
    @Argument(
      help: ArgumentHelp("Texts: .txt, .jsonl, either also .zst, folders of these, or -.", valueName: "input")
    )
    var inputs: [String]
    @OptionGroup var reading: ReadingOptions
    @Option(help: ArgumentHelp("How many tokens there shall be.", valueName: "n")) var vocabulary = 8192
    @Option(help: ArgumentHelp("Pairs that occur less often become no token.", valueName: "n"))
    var minFrequency: Int64 = 2
    @Option(help: ArgumentHelp("Tokens stay shorter than this many bytes.", valueName: "n"))
    var maxTokenLength: Int?
    @Option(
      help: ArgumentHelp(
        "A token that stands for no text; may be given several times (default: <|endoftext|>).",
        valueName: "token"))
    var special: [String] = []
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var replacing: ReplacingOptions
    @OptionGroup var output: OutputOptions

    private var specials: [String] { special.isEmpty ? ["<|endoftext|>"] : special }

    func validate() throws {
      if special.contains("") { throw ValidationError("--special is empty; leave it out") }
      let least = BPETrainer.smallestVocabulary(specialTokens: specials)
      guard (least...1_000_000).contains(vocabulary) else {
        throw ValidationError(
          "--vocabulary is \(vocabulary); it must lie between \(least), for the bytes and the special tokens, "
            + "and 1000000")
      }
      if minFrequency < 1 {
        throw ValidationError("--min-frequency is \(minFrequency); it must be 1 or more")
      }
      if let maxTokenLength, maxTokenLength < 2 {
        throw ValidationError("--max-token-length is \(maxTokenLength); it must be 2 or more")
      }
      if inputs.isEmpty { throw ValidationError("name at least one text, or - for stdin") }
    }

    private struct Result: Encodable {
      let vocabulary, merges, bytes, documents: Int
      let tokens: Int64
      let bytes_per_token, seconds: Double
      let peak_rss_bytes: Int
    }

    func run() throws {
      compute.apply()
      let start = ContinuousClock.now
      let texts = try reading.texts(inputs)
      try replacing.check(path, for: Self.kind, inputs: texts.map(\.path))
      let counter = try count(texts)
      var line = ProgressLine()
      var trainer = BPETrainer(vocabularySize: vocabulary)
      trainer.minimumFrequency = minFrequency
      trainer.specialTokens = specials
      trainer.maximumTokenLength = maxTokenLength
      let (trained, tokens) = trainer.train(counter) { count in
        line.show(Double(count) / Double(vocabulary), "\(counted(count, "token")) learned")
      }
      line.finish()
      try trained.write(to: path)
      let result = Result(
        vocabulary: trained.tokens.count, merges: trained.merges.count, bytes: counter.bytes,
        documents: counter.documents, tokens: tokens,
        bytes_per_token: Double(counter.bytes) / Double(max(1, tokens)),
        seconds: (ContinuousClock.now - start) / .seconds(1), peak_rss_bytes: Machine.peakResidentBytes)
      if trained.tokens.count < vocabulary {
        Output.note(
          "no other pair occurs \(minFrequency) times or more: \(counted(trained.tokens.count, "token")) "
            + "instead of \(grouped(vocabulary))")
      }
      if output.json { return try Output.json(result) }
      Output.line(
        "\(path): \(counted(result.vocabulary, "token")), \(counted(result.merges, "merge")); "
          + "\(Output.decimals(result.bytes_per_token, 3)) bytes per token on the "
          + "\(counted(result.bytes, "byte")) of text; \(Output.decimals(result.seconds, 1)) s")
    }

    /// An object of JSON with a model, whoever wrote it.
    private static let kind = FileKind("a tokenizer.json") { path in
      guard let file = try? InputFile(path), file.size < 1 << 28,
        var scanner = (try? file.bytes(at: 0, count: file.size)).map({ JSONScanner($0, file: path) }),
        (try? scanner.beginObject()) != nil
      else { return false }
      while let key = try? scanner.nextKey() {
        if key == "model" { return scanner.kind() == .object }
        guard (try? scanner.skipValue()) != nil else { return false }
      }
      return false
    }

    /// Counts the words of all texts.
    private func count(_ texts: [CorpusInput]) throws -> WordCounter {
      let counter = WordCounter(threads: WorkerPool.shared.threads)
      var progress = ReadingProgress(of: texts)
      let bad = try CorpusInput.readDocuments(of: texts) {
        try progress.show($0)
      } _: { event in
        switch event {
        case .start: break
        case .bytes(let bytes): counter.feed(bytes)
        case .end: counter.finishDocument()
        }
      }
      progress.finish()
      ReadingOptions.note(bad)
      guard counter.bytes > 0 else {
        throw ToolError("\(path): not written: there is no text in \(inputs.joined(separator: ", "))")
      }
      return counter
    }
  }
}
