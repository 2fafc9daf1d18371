/// How many bytes the steps of a tokenizer can make of one, so that a hostile file is refused before it fills memory.
///
/// From the last step back to the first, each byte gets a weight: at most so many bytes come of it at the end. A
/// replacement puts all that its content becomes on one byte of what it looks for, so replacements that do not feed each
/// other do not multiply.

enum StepGrowth {
  static func most(_ normalizer: [NormalizerStep], _ steps: [PreTokenizerStep]) -> Double {
    var weights = [Double](repeating: 1, count: 256)
    for step in steps.reversed() { weigh(step, &weights) }
    for step in normalizer.reversed() { weigh(step, &weights) }
    return weights.max() ?? 1
  }

  private static func sum(_ text: some Sequence<UInt8>, _ weights: [Double]) -> Double {
    text.reduce(0) { $0 + weights[Int($1)] }
  }

  private static func weigh(_ step: PreTokenizerStep, _ weights: inout [Double]) {
    switch step {
    case .words, .split, .scripts, .cut, .lengths: break
    case .spacePrefix: weights = weights.map { $0 + weights[0x20] }
    case .spellBytes: spell(&weights)
    case .metaspace(let sign, let scheme):
      let added = sum(sign, weights)
      weights[0x20] = added
      if scheme != .never { weights = weights.map { $0 + added } }
    }
  }

  private static func spell(_ weights: inout [Double]) {
    weights = ByteSpelling.scalars.map { sum($0.utf8, weights) }
  }

  private static func weigh(_ step: NormalizerStep, _ weights: inout [Double]) {
    let heaviest = weights.max() ?? 1
    /// What is not ASCII may become anything, so many bytes of one.
    func spread(_ factor: Double) {
      for byte in 0x80..<0x100 { weights[byte] = factor * heaviest }
    }
    switch step {
    case .form(let form): spread(form.largestGrowth)
    case .prepend(let prefix):
      let added = sum(prefix, weights)
      weights = weights.map { $0 + added }
    case .replaceLiteral(let wanted, let content):
      weights[Int(wanted[0])] = max(weights[Int(wanted[0])], sum(content, weights))
    case .replace(let pattern, let content):
      let added = sum(content, weights)
      for byte in 0..<0x100 where byte >= 0x80 || pattern.sets.contains(where: { $0.contains(UInt32(byte)) })
      {
        weights[byte] = max(weights[byte], added)
      }
    case .lowercase:
      for byte in 0x41...0x5A { weights[byte] = weights[byte | 0x20] }
      spread(1.5)
    case .strip: break
    case .characters(let rules):
      let space = weights[0x20]
      let added = rules.contains { $0.1 == .betweenSpaces } ? 2 * space : 0
      weights = weights.map { max($0, space) + added }
    case .spellBytes: spell(&weights)
    }
  }
}
