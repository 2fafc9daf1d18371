/// A model on disk as transformers or flash-linear-attention load it: `config.json`, `model.safetensors`, and what
/// is known of its tokenizer.

import RunnelFiles
import RunnelModels
import RunnelTensors
import RunnelText

/// What a folder was written as.
public struct ForeignFolder: Sendable, Equatable {
  /// `model_type` in its configuration.
  public let modelType: String
  /// The libraries that load it.
  public let library: String
}

extension ModelFolder {
  /// Writes the folder of another library, from which ``load(_:)`` gives the same function back; each file is replaced
  /// in one step. RWKV's own `.pth` files are read, but not written.
  ///
  /// A few models are restated on the way: RetNet with its rotated pairs in halves, RWKV-6 and 7 with values in another
  /// unit, so that the ε of their norms is the family's.
  ///
  /// - Parameters:
  ///   - tokenizer: goes beside the weights as it is, or, if it is of bytes, as a `tokenizer.json` of them.
  ///   - marks: the tokens that begin and end texts.
  ///   - type: of the weights; norms, decays and steps stay in 32 bits.
  /// - Throws: `ForeignWritingError` where no family has such a model, before anything is written.
  @discardableResult
  public static func saveForeign(
    _ model: some LanguageFunction, tokenizer: (any Tokenizer)? = nil, marks: TextMarks = TextMarks(),
    to folder: String,
    as type: ElementType = .float32, metadata: [String: String] = [:]
  ) throws -> ForeignFolder {
    let draft = try ForeignFamily.draft(model.trainable())
    let tensors = try draft.model.tensors(names: draft.names)
    // In a tensor of several parameters all are delicate, or none.
    let delicate = Set(
      draft.model.entries.lazy.map(\.place).filter(\.traits.isDelicate).map { draft.names.origin(of: $0).name })
    var writer = SafetensorsWriter(metadata: metadata.merging(["format": "pt"]) { $1 })
    for (name, value) in tensors { writer.add(name, value, as: delicate.contains(name) ? .float32 : type) }

    let word: ForeignValue = type == .bfloat16 ? "bfloat16" : "float32"
    let fields = draft.fields.merging([
      // Older versions of transformers know the second name only.
      "dtype": word, "torch_dtype": word, "bos_token_id": nil, "eos_token_id": nil,
      "pad_token_id": nil, "use_cache": true,
    ]) { own, _ in own }.merging(marks.fields) { $1 }

    try makeFolder(folder)
    try writer.write(to: folder + "/" + weightsName)
    try AtomicFile.write(json(fields), to: folder + "/" + configurationName)
    // A model of fewer tokens than bytes reads something else.
    if let tokenizer, !(tokenizer is ByteTokenizer) || model.vocabularySize >= 256 {
      try save(tokenizer, marks, asForeignTo: folder)
    }
    return ForeignFolder(modelType: draft.family.modelType, library: draft.library)
  }

  /// The tokenizer's file, and what transformers' `AutoTokenizer` asks for beside a `tokenizer.json`. Bytes are a
  /// vocabulary without merges there.
  private static func save(
    _ tokenizer: any Tokenizer, _ marks: TextMarks, asForeignTo folder: String
  ) throws {
    let name = Tokenizers.fileNames[0]
    var fields: [String: ForeignValue] = [
      "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false,
    ]
    if tokenizer is ByteTokenizer {
      try BPEVocabulary.bytes.write(to: folder + "/" + name)
    } else {
      try save(tokenizer, to: folder)
      guard let file = tokenizer.file, Tokenizers.nameInFolder(for: file) == name else { return }
      if let begin = marks.begin.flatMap(tokenizer.token) { fields["bos_token"] = .text(begin) }
      // There is room for one.
      if let end = marks.ends.min().flatMap(tokenizer.token) { fields["eos_token"] = .text(end) }
    }
    try AtomicFile.write(json(fields), to: folder + "/tokenizer_config.json")
  }

  private static func json(_ fields: [String: ForeignValue]) -> [UInt8] {
    Array((ForeignValue.object(fields).json() + "\n").utf8)
  }
}
