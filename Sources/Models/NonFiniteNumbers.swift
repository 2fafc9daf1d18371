/// Where numbers first stop being finite. Nothing is watched while a model runs: this looks once more, part by part, when a
/// result has shown that something overflowed.

import RunnelMixers
import RunnelRecurrences
import RunnelTensors

/// A NaN or an infinity where a model computed, and the first part that has one.
public struct NonFiniteNumbers: Error, Sendable, Equatable, CustomStringConvertible {
  /// The part by the prefix of its parameters, as in "layers.3.mixer"; the parameter where that is no number.
  public let part: String
  /// What of it is not finite, as in "its output".
  public let what: String
  /// The first NaN or infinity of it.
  public let value: Float
  /// Which tokens were read, where that is known.
  public var place: String?

  package init(part: String, what: String, value: Float, place: String? = nil) {
    (self.part, self.what, self.value, self.place) = (part, what, value, place)
  }

  public static func == (a: Self, b: Self) -> Bool { a.description == b.description }

  public var description: String {
    "\(part): \(what) is \(value)\(place.map { ", " + $0 } ?? ""); numbers overflow there: use another checkpoint, "
      + "or train it again with a lower --learning-rate"
  }
}

extension LanguageFunction {
  /// Finds the first part, in the order of computation, that makes of finite numbers one that is not: a parameter, a
  /// memory, an output. For after a failure: it reads the tokens once more.
  ///
  /// - Parameters:
  ///   - ids: of B rows by T tokens, row by row, with which something went wrong.
  ///   - state: from before them. That from behind them does too, where a part that overflowed does so again.
  /// - Returns: nil where all is finite this time.
  public func firstNonFinite(
    _ ids: [Int32], batch: Int, form: Form, resets: Resets = .none, state: ModelState
  ) -> NonFiniteNumbers? {
    var found = nonFiniteParameter
    guard found == nil, !ids.isEmpty else { return found }
    var state = state
    let initial = initialState(batch: batch)
    let steps = ids.count / batch
    let hidden = hidden(ids, batch: batch, form: form, resets: resets, state: &state) {
      part, x, place, after in
      guard found == nil else { return }
      if let (layer, sublayer) = place,
        let memory = initial.firstNonFinite(of: after, layer: layer, part: sublayer)
      {
        found = NonFiniteNumbers(part: part, what: "its memory \(memory.name)", value: memory.value)
      } else if let index = x.firstNonFinite {
        let (row, step) = (index / x.shape.width / steps, index / x.shape.width % steps)
        let token = "at token \(ids[row * steps + step])" + (batch > 1 ? " of row \(row)" : "")
        found = NonFiniteNumbers(part: part, what: "its output", value: x.base[index], place: token)
      }
    }
    if found == nil {
      let logits = logits(ofHidden: hidden)
      found = logits.firstNonFinite.map {
        NonFiniteNumbers(
          part: configuration.tiesEmbedding ? "embedding, as the head" : "head",
          what: "a score of the next token",
          value: logits.base[$0])
      }
    }
    return found
  }

  /// The same for a failure that must have a name.
  ///
  /// - Parameter seen: what showed the failure, for when a second look finds none: in its first number that is not finite.
  public func nonFinite(
    _ ids: [Int32], batch: Int, form: Form, resets: Resets = .none, state: ModelState, seen: Tensor
  ) -> NonFiniteNumbers {
    firstNonFinite(ids, batch: batch, form: form, resets: resets, state: state)
      ?? NonFiniteNumbers(
        part: mixerName, what: "a score of the next token",
        value: seen.firstNonFinite.map { seen.base[$0] } ?? .nan)
  }

  private var nonFiniteParameter: NonFiniteNumbers? {
    // Packed weights are unpacked one at a time.
    for entry in entries {
      let numbers = entry.stored.numbers
      guard let element = numbers.firstNonFinite else { continue }
      return NonFiniteNumbers(
        part: entry.place.name, what: "its element \(element)", value: numbers.base[element])
    }
    return nil
  }
}

extension ModelState {
  /// The first number that no stream can have: a NaN or an infinity, but for the −∞ that a running maximum begins with.
  ///
  /// - Parameter initial: the state before the first token, of as many rows.
  public func firstNonFinite(since initial: Self) -> (name: String, value: Float)? {
    for layer in layers.indices {
      for part in layers[layer].indices {
        if let found = initial.firstNonFinite(of: self, layer: layer, part: part) { return found }
      }
    }
    return nil
  }

  fileprivate func firstNonFinite(of later: Self, layer: Int, part: Int) -> (name: String, value: Float)? {
    let begins = layers[layer][part].tensors, now = later.layers[layer][part].tensors
    for (begin, now) in zip(begins, now) where !now.value.isFinite {
      for i in 0..<now.value.count where !now.value.base[i].isFinite {
        let isBeginning = now.value.base[i] == -.infinity && begin.value.base[i] == -.infinity
        if !isBeginning { return (prefix(layer, part) + now.name, now.value.base[i]) }
      }
    }
    return nil
  }
}
