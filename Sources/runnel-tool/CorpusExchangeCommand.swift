import ArgumentParser
import Foundation
import Runnel

extension TokenFileFormat: ExpressibleByArgument {}
extension TokenFileElement: ExpressibleByArgument {}

extension CorpusCommand {
  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract:
        "Make a corpus from another trainer's token ids: nanoGPT's or llm.c's .bin, Megatron's .bin and .idx.",
      discussion: """
        Example: runnel corpus import web.tokens.zst train.bin --validation-input val.bin --vocabulary 50257
        The format is told by the beginning of each file; --format overrides that.
        """)

    @Argument(help: ArgumentHelp("The corpus to write.", valueName: "out")) var path: String
    @Argument(help: ArgumentHelp("Files of ids, in order.", valueName: "input")) var inputs: [String]
    @Option(
      parsing: .upToNextOption,
      help: ArgumentHelp("Files whose tokens are the validation split.", valueName: "input"))
    var validationInput: [String] = []
    @Option(help: ArgumentHelp("Their tokenizer, if you have its file.", valueName: "file")) var tokenizer:
      String?
    @Option(help: "How many ids there are, without a tokenizer.") var vocabulary: Int?
    @Option(help: "nanogpt, llmc or megatron.") var format: TokenFileFormat?
    @Option(help: "The type of the ids in nanoGPT's files (default: u16, where the vocabulary fits it).")
    var dtype: TokenFileElement?
    @Option(
      help: ArgumentHelp("A document ends with each of this id, as in nanoGPT's data.", valueName: "id"))
    var documentEnd: Int32?
    @Option(
      help: ArgumentHelp("A document begins with each of this id, as in llm.c's data.", valueName: "id"))
    var documentStart: Int32?
    @OptionGroup var split: ValidationOptions
    @Option(help: "zstd's level, 1 to 22.") var level = 3
    @OptionGroup var replacing: ReplacingOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
      if inputs.isEmpty { throw ValidationError("name at least one file of token ids") }
      if (inputs + validationInput).contains("-") {
        throw ValidationError(
          "token ids are read from files, which say how many there are, and - is none (a file of that name is ./-); name the file, "
            + "or redirect stdin from it and name /dev/stdin")
      }
      if (tokenizer == nil) == (vocabulary == nil) {
        throw ValidationError("give either --tokenizer, or --vocabulary if its file is not to be had")
      }
      if let vocabulary, !(1...1 << 31).contains(vocabulary) {
        throw ValidationError("--vocabulary is \(vocabulary); it must lie between 1 and 2147483648")
      }
      if documentEnd != nil && documentStart != nil {
        throw ValidationError("--document-end and --document-start are two ways to tell documents; give one")
      }
      guard (1...22).contains(level) else {
        throw ValidationError("--level is \(level); it must lie in 1...22")
      }
    }

    func run() throws {
      let all = inputs + validationInput
      try replacing.check(path, for: .corpus, inputs: all + all.map { MegatronIndex.path(beside: $0) })
      var line = ProgressLine()
      let writer =
        if let tokenizer = try tokenizer.map({ try Tokenizers.load($0) }) {
          try CorpusWriter(
            path: path, tokenizer: .init(name: tokenizer.name, sha256: tokenizer.sha256),
            tokenizerFile: tokenizer.file,
            vocabularySize: tokenizer.vocabularySize, level: level)
        } else {
          try CorpusWriter(
            path: path, tokenizer: .init(name: "ids"), vocabularySize: vocabulary ?? 0, level: level)
        }
      let header = try CorpusImporter.build(
        writer, inputs: inputs, validationInputs: validationInput, format: format, element: dtype,
        boundary: documentEnd.map { .end($0) } ?? documentStart.map { .start($0) } ?? .file,
        validation: split.validation > 0 ? .tail(split.validation) : .none
      ) { done in line.show(done, "importing \(path)") }
      line.finish()
      try report(header, at: path, output)
    }
  }

  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write a corpus as another trainer reads it.",
      discussion: """
        Example: runnel corpus export book.tokens.zst train.bin --split train --format llmc
        `zstd -dc` prints the bare ids of all of it; this chooses a split and adds headers and ends of documents.
        """)

    @Argument(help: ArgumentHelp("The corpus.", valueName: "corpus")) var path: String
    @Argument(help: ArgumentHelp("The file to write; Megatron's index goes beside it.", valueName: "out.bin"))
    var out: String
    @Option(help: "nanogpt, llmc or megatron.") var format = TokenFileFormat.nanogpt
    @Option(help: "Only this split: train or validation.") var split: SplitName?
    @Option(help: "The type of the ids in nanoGPT's file; its own reader takes u16 only.")
    var dtype: TokenFileElement?
    @Option(help: ArgumentHelp("Put this id after every document.", valueName: "id")) var documentEnd: Int32?
    @OptionGroup var replacing: ReplacingOptions
    @OptionGroup var output: OutputOptions

    private struct Result: Encodable {
      let path: String
      let tokens: Int
    }

    func run() throws {
      for file in format == .megatron ? [out, MegatronIndex.path(beside: out)] : [out] {
        try replacing.check(file, for: .tokens(format), inputs: [path])
      }
      var line = ProgressLine()
      let corpus = try Corpus(path: path)
      var inside = 0
      let count = try corpus.export(
        split?.split ?? .all, to: out, as: format, element: dtype, documentEnd: documentEnd,
        insideEnds: { inside = $0 }, progress: { line.show($0, "exporting \(out)") })
      line.finish()
      if inside > 0, let end = documentEnd ?? corpus.header.endOfDocument {
        Output.note(
          "\(out): the id \(end), which ends documents, stands \(counted(inside, "time")) inside them, where its readers cut them "
            + "too; --document-end names another, and --format megatron keeps documents apart")
      }
      if format != .megatron, corpus.documentCount > 1, documentEnd == nil, corpus.header.endOfDocument == nil
      {
        Output.note(
          "\(out): its format has no documents: \(grouped(corpus.documentCount)) of them stand one after the other; "
            + "--document-end puts an id after each, and --format megatron keeps them")
      }
      if output.json { return try Output.json(Result(path: out, tokens: count)) }
      Output.line("\(out): \(counted(count, "token"))")
    }
  }
}
