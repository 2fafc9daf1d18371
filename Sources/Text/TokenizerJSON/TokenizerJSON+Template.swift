/// What the post-processor of a `tokenizer.json` puts around a document.

import RunnelFiles

extension TokenizerJSON {
  /// What stands before and after a document.
  func template(_ value: JSONValue, _ field: String) throws(FileError) -> ([Int32], [Int32]) {
    if value == .null { return ([], []) }
    switch value["type"] {
    case .string("ByteLevel"): return ([], [])
    case .string("Sequence"):
      guard case .array(let processors) = value["processors"] else {
        throw refusal("\(field).processors", expected: "a list", found: value["processors"])
      }
      var (prefix, suffix): ([Int32], [Int32]) = ([], [])
      for (index, processor) in processors.enumerated() {
        let (before, after) = try template(processor, "\(field).processors[\(index)]")
        // Of several the original puts the marks of one around each mark of the other.
        guard prefix.isEmpty && suffix.isEmpty || before.isEmpty && after.isEmpty else {
          throw refusal(
            "\(field).processors[\(index)]", expected: "one processor that adds tokens", found: processor)
        }
        (prefix, suffix) = (prefix + before, suffix + after)
      }
      return (prefix, suffix)
    case .string("TemplateProcessing"): return try singleTemplate(value, field)
    case .string("BertProcessing"), .string("RobertaProcessing"):
      return ([try pairID(value["cls"], "\(field).cls")], [try pairID(value["sep"], "\(field).sep")])
    default:
      throw refusal(
        "\(field).type",
        expected: "ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing or Sequence",
        found: value["type"])
    }
  }

  /// The id of a pair of token and id.
  private func pairID(_ value: JSONValue, _ field: String) throws(FileError) -> Int32 {
    guard case .array(let pair) = value, pair.count == 2, case .string = pair[0],
      case .number(let number) = pair[1],
      let id = Int32(exactly: number), id >= 0
    else { throw refusal(field, expected: "a token and its id", found: value) }
    return id
  }

  private func singleTemplate(_ value: JSONValue, _ field: String) throws(FileError) -> ([Int32], [Int32]) {
    guard case .array(let pieces) = value["single"] else {
      throw refusal("\(field).single", expected: "a list", found: value["single"])
    }
    var sides: [[Int32]] = [[]]
    for piece in pieces {
      if piece["Sequence"]["id"] == .string("A") {
        sides.append([])
      } else if case .string(let name) = piece["SpecialToken"]["id"],
        case .array(let ids) = value["special_tokens"][name]["ids"]
      {
        for id in ids {
          guard case .number(let number) = id, let id = Int32(exactly: number), id >= 0 else {
            throw refusal("\(field).special_tokens.\(printable(name)).ids", expected: "ids", found: id)
          }
          sides[sides.count - 1].append(id)
        }
      } else {
        throw refusal("\(field).single", expected: "the sequence A and special tokens", found: piece)
      }
    }
    guard sides.count == 2 else {
      throw refusal("\(field).single", expected: "the sequence A once", found: "\(sides.count - 1) times")
    }
    return (sides[0], sides[1])
  }
}
