/// One line per token, line or document of a text as it is scored: its cross-entropy in nats, its tokens, its bits per
/// byte, its text.

import Foundation
import Runnel

/// What was scored as a whole: a token, a line, a document.
struct ScoredUnit: Encodable {
  let text: String
  /// In hexadecimal, where they are no text.
  let bytes: String?
  let tokens: Int
  let nats: Double
  /// What makes long and short ones comparable; missing where there are no bytes.
  let bits_per_byte: Double?

  /// - Parameter unpredicted: the bytes at its beginning that nothing came before, and that no nats are of.
  init(_ bytes: some Collection<UInt8>, tokens: Int, nats: Double, unpredicted: Int = 0) {
    (text, self.bytes) = Output.textAndBytes(bytes)
    self.tokens = tokens
    self.nats = nats
    let predicted = bytes.count - unpredicted
    bits_per_byte = predicted > 0 ? nats / log(2) / Double(predicted) : nil
  }

  /// Prints the unit at once; false where nobody reads any more.
  func print(isLine: Bool, json: Bool) throws -> Bool {
    let rate = bits_per_byte.map { String(format: "%.4f", $0) } ?? "-"
    let shown = !isLine ? text.debugDescription : text.hasSuffix("\n") ? String(text.dropLast()) : text
    let line =
      json ? try Output.encoded(self) : String(format: "%.4f\t%d\t%@\t", nats, tokens, rate) + shown
    return Output.write(Array((line + "\n").utf8))
  }
}

struct ScoredUnits {
  private let unit: ScoreCommand.Unit
  private let tokenizer: any Tokenizer
  private let json: Bool
  /// Units of fewer bits per byte are not printed.
  private let above: Double
  /// By id, whether a line of text ends with the token.
  private let endsLine: [Bool]
  /// Tokens whose cross-entropy is not known yet, and whether their unit ends with them.
  private var waiting: [(token: Int32, isEnd: Bool)] = []
  private var isFirst: Bool
  private var tokens: [Int32] = []
  private var nats = 0.0
  /// The bytes of the unit's tokens that nothing predicts.
  private var unpredicted = 0

  /// - Parameters:
  ///   - continuing: the stream goes on, so that its first token here is predicted too.
  ///   - above: bits per byte that a unit must exceed to be printed.
  init(
    _ unit: ScoreCommand.Unit, _ tokenizer: some Tokenizer, json: Bool, continuing: Bool, above: Double?
  ) {
    self.unit = unit
    self.tokenizer = tokenizer
    self.json = json
    self.above = above ?? -.infinity
    isFirst = !continuing
    endsLine =
      unit == .line
      ? (0..<Int32(tokenizer.vocabularySize)).map { tokenizer.bytes(of: CollectionOfOne($0)).contains(10) }
      : []
  }

  /// Takes tokens that are about to be scored.
  ///
  /// - Parameter documentEnds: those of them, by place, with which documents end.
  mutating func read(_ ids: [Int32], documentEnds: [Int] = []) {
    let ends = Set(documentEnds)
    for (place, id) in ids.enumerated() {
      let isEnd =
        switch unit {
        case .token: true
        case .line: Int(id) < endsLine.count && endsLine[Int(id)]
        case .document: ends.contains(place)
        }
      waiting.append((id, isEnd))
    }
  }

  /// Takes the cross-entropies of the tokens that came next.
  mutating func add(_ losses: ArraySlice<Float>) {
    var count = 0
    // The first token of a stream has nothing before it that could predict it.
    if isFirst, !waiting.isEmpty {
      unpredicted = tokenizer.bytes(of: CollectionOfOne(waiting[0].token)).count
      take(waiting[0].token, isEnd: waiting[0].isEnd && unit != .token, 0)
      (isFirst, count) = (false, 1)
    }
    for loss in losses where count < waiting.count {
      take(waiting[count].token, isEnd: waiting[count].isEnd, loss)
      count += 1
    }
    waiting.removeFirst(count)
  }

  mutating func finish() { if !tokens.isEmpty { flush() } }

  private mutating func take(_ token: Int32, isEnd: Bool, _ loss: Float) {
    tokens.append(token)
    nats += Double(loss)
    if isEnd { flush() }
  }

  private mutating func flush() {
    let scored = ScoredUnit(
      tokenizer.bytes(of: tokens), tokens: tokens.count, nats: nats, unpredicted: unpredicted)
    if above == -.infinity || (scored.bits_per_byte ?? 0) > above {
      _ = try? scored.print(isLine: unit == .line, json: json)
    }
    tokens.removeAll(keepingCapacity: true)
    (nats, unpredicted) = (0, 0)
  }
}
