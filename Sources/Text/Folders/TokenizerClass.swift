/// The classes of transformers that make a tokenizer of a vocabulary and merges, or that change what a tokenizer's file says.

struct TokenizerClass {
  /// How a pair of files is read.
  enum Pair {
    /// GPT-2's words, whatever case they are in.
    case gpt2
    /// Words in composed form (NFC), digits one by one.
    case qwen2
  }
  var pair: Pair?
  /// The tokens of parts of which a folder says nothing.
  var specials: [(role: String, name: String)] = []
  /// Parts whose tokens, where only named, are looked for in the normalised text, as a pair's classes leave them.
  var normalizedRoles: Set<String> = []
  /// The part of a token that takes the white space before it, where it is only named.
  var stripsLeft: String?
  /// Documents stand between these of the parts, whatever the folder says.
  var template: (before: String, after: String)?
  /// Whether `add_bos_token` may ask for a beginning of documents; of a pair of files.
  var mayAddBegin = false
  /// Whether a document begins and ends with the tokens of `bos_token` and `eos_token` where the folder says nothing;
  /// nil where the template is that of the tokenizer's file.
  var marks: (begin: Bool, end: Bool)?

  static let all: [String: TokenizerClass] = {
    let end = "<|endoftext|>"
    let ends = ["bos_token", "eos_token", "unk_token"].map { (role: $0, name: end) }
    let llama = [("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")]
      .map { (role: $0.0, name: $0.1) }
    let roberta = TokenizerClass(
      pair: .gpt2,
      specials: llama
        + [
          ("sep_token", "</s>"), ("pad_token", "<pad>"), ("cls_token", "<s>"), ("mask_token", "<mask>"),
        ].map { (role: $0.0, name: $0.1) },
      normalizedRoles: ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token"],
      stripsLeft: "mask_token", template: ("cls_token", "sep_token"))
    return [
      "GPT2Tokenizer": TokenizerClass(
        pair: .gpt2, specials: ends, normalizedRoles: ["bos_token", "eos_token", "unk_token", "pad_token"],
        mayAddBegin: true),
      "CodeGenTokenizer": TokenizerClass(pair: .gpt2, specials: ends),
      "Qwen2Tokenizer": TokenizerClass(
        pair: .qwen2, specials: ["eos_token", "unk_token", "pad_token"].map { (role: $0, name: end) }),
      "RobertaTokenizer": roberta, "LongformerTokenizer": roberta, "BartTokenizer": roberta,
      "LEDTokenizer": roberta, "MvpTokenizer": roberta,
      "GPTNeoXTokenizer": TokenizerClass(specials: ends, marks: (false, false)),
      "LlamaTokenizer": TokenizerClass(specials: llama, marks: (true, false)),
      "CodeLlamaTokenizer": TokenizerClass(specials: llama, marks: (true, false)),
      "GemmaTokenizer": TokenizerClass(
        specials: [
          ("bos_token", "<bos>"), ("eos_token", "<eos>"), ("unk_token", "<unk>"), ("pad_token", "<pad>"),
        ].map { (role: $0.0, name: $0.1) }, marks: (true, false)),
    ]
  }()
}
