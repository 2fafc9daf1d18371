/// A trained vocabulary as a Hugging Face `tokenizer.json`.

import RunnelFiles

extension BPEVocabulary {
  /// The file, as PyPI's tokenizers itself writes it: the same vocabulary is the same bytes.
  public var json: String {
    var text = """
      {
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [
      """
    for (index, token) in specialTokens.enumerated() {
      text += index == 0 ? "\n" : ",\n"
      text += """
            {
              "id": \(tokens.firstIndex(of: token) ?? index),
              "content": \(token.jsonLiteral),
              "single_word": false,
              "lstrip": false,
              "rstrip": false,
              "normalized": false,
              "special": true
            }
        """
    }
    text += specialTokens.isEmpty ? "]" : "\n  ]"
    text += """
      ,
        "normalizer": null,
        "pre_tokenizer": {
          "type": "ByteLevel",
          "add_prefix_space": false,
          "trim_offsets": true,
          "use_regex": true
        },
        "post_processor": null,
        "decoder": {
          "type": "ByteLevel",
          "add_prefix_space": true,
          "trim_offsets": true,
          "use_regex": true
        },
        "model": {
          "type": "BPE",
          "dropout": null,
          "unk_token": null,
          "continuing_subword_prefix": null,
          "end_of_word_suffix": null,
          "fuse_unk": false,
          "byte_fallback": false,
          "ignore_merges": false,
          "vocab": {
      """
    for (id, token) in tokens.enumerated() {
      text += "\(id == 0 ? "" : ",")\n      \(token.jsonLiteral): \(id)"
    }
    text += "\n    },\n    \"merges\": ["
    for (index, merge) in merges.enumerated() {
      let (first, second) = (tokens[Int(merge.first)], tokens[Int(merge.second)])
      text += """
        \(index == 0 ? "" : ",")
              [
                \(first.jsonLiteral),
                \(second.jsonLiteral)
              ]
        """
    }
    text += merges.isEmpty ? "]" : "\n    ]"
    return text + "\n  }\n}"
  }

  /// Writes the file in one atomic step; throws ``FileError`` where the disk or the folder refuses it.
  public func write(to path: String) throws(FileError) { try AtomicFile.write(json, to: path) }
}
