/// One line per token, line or document of a text as it is scored: its cross-entropy in nats, its tokens, its text.

import Foundation
import Runnel

struct ScoredUnits {
  private let unit: ScoreCommand.Unit
  private let tokenizer: any Tokenizer
  private let json: Bool
  /// By id, whether a line of text ends with the token.
  private let endsLine: [Bool]
  /// Tokens whose cross-entropy is not known yet, and whether their unit ends with them.
  private var waiting: [(token: Int32, isEnd: Bool)] = []
  private var isFirst = true
  private var tokens: [Int32] = []
  private var nats = 0.0

  private struct Entry: Encodable {
    let text: String
    let tokens: Int
    let nats: Double
  }

  init(_ unit: ScoreCommand.Unit, _ tokenizer: some Tokenizer, json: Bool) {
    self.unit = unit
    self.tokenizer = tokenizer
    self.json = json
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
    let text = String(decoding: tokenizer.bytes(of: tokens), as: UTF8.self)
    if json {
      try? Output.json(Entry(text: text, tokens: tokens.count, nats: nats), pretty: false)
    } else {
      let shown = text.hasSuffix("\n") && unit == .line ? String(text.dropLast()) : text.debugDescription
      Output.line(String(format: "%.4f\t%d\t", nats, tokens.count) + shown)
    }
    tokens.removeAll(keepingCapacity: true)
    nats = 0
  }
}
