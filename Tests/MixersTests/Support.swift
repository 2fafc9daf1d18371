/// Holds a mixer against its reference: every form, every gradient.

import RunnelMixers
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

/// A layer with its parameters by name, which tests look at and change.
struct Subject<Layer: SequenceLayer>: LayerFunction {
  private let make: @Sendable (Parameters) -> Layer
  private var generator: SeededGenerator
  private(set) var parameters: [(place: ParameterPlace, value: Tensor)]
  private(set) var own: Layer

  /// A fresh one.
  init(seed: UInt64 = 5, _ make: @escaping @Sendable (Parameters) -> Layer) {
    var generator = SeededGenerator(seed: seed)
    var made: [(place: ParameterPlace, value: Tensor)] = []
    own = make(
      Parameters { place, beginning in
        let value = beginning.make(place.shape, &generator)
        #expect(value.shape == place.shape, "\(place.name)")
        made.append((place, value))
        return place.stored(value)
      })
    (self.make, parameters, self.generator) = (make, made, generator)
  }

  var layer: any SequenceLayer { own }
  func initialState(batch: Int) -> RecurrentState { own.initialState(batch: batch) }
  func run(
    _ x: Tensor, form: Form, resets: Resets, state: inout RecurrentState, shared: inout SharedValues
  ) -> Tensor {
    own.run(x, form: form, resets: resets, state: &state, shared: &shared)
  }

  /// The same layer with other parameters.
  func changing(_ change: (_ name: String, _ value: Tensor) -> Tensor) -> Self {
    var copy = self
    for i in parameters.indices {
      copy.parameters[i].value = change(parameters[i].place.name, parameters[i].value)
    }
    let values = copy.parameters.map(\.value)
    var next = 0
    copy.own = make(
      Parameters { place, _ in
        defer { next += 1 }
        return place.stored(values[next])
      })
    return copy
  }

  /// With all parameters moved, so that no bias is zero and no scale one.
  var perturbed: Self {
    var generator = generator
    return changing { $1 + Tensor.uniform($1.shape, in: -0.3...0.3, using: &generator) }
  }

  var names: [String] { parameters.map(\.place.name) }
  var doubles: [String: [Double]] {
    Dictionary(uniqueKeysWithValues: parameters.map { ($0.place.name, $0.value.doubles) })
  }
  func value(_ name: String) -> [Double] { doubles[name] ?? [] }
}

extension SequenceMixer {
  static func fresh(_ configuration: Configuration, at depth: Depth = .alone, seed: UInt64 = 5) -> Subject<
    Self
  > {
    Subject(seed: seed) { Self(configuration, at: depth, from: $0) }
  }
  /// A fresh mixer with all its parameters moved.
  static func perturbed(
    _ configuration: Configuration, at depth: Depth = .alone, seed: UInt64 = 1
  ) -> Subject<Self> {
    fresh(configuration, at: depth, seed: seed).perturbed
  }
}

/// Two rows of two segments with the state passed between, and documents that begin inside the second.
struct Text {
  let B = 2
  let D: Int
  let lengths = [6, 65]
  /// For each row, the resets in the second segment.
  let resets = Resets(rows: [[0, 7, 40], [33]])

  /// The reference over each row of x [B T D], document by document.
  func reference(_ x: [Double], _ mixer: ([[Double]]) -> [[Double]]) -> [Double] {
    let T = lengths[0] + lengths[1]
    var y: [[Double]] = []
    for b in 0..<B {
      let starts = [0] + resets.rows[b].map { $0 + lengths[0] } + [T]
      for (start, end) in zip(starts, starts.dropFirst()) {
        y += mixer((start..<end).map { Array(x[(b * T + $0) * D..<(b * T + $0 + 1) * D]) })
      }
    }
    return y.flatMap { $0 }
  }

  /// The same x as the two segments [B t D], and two outputs as one.
  func cut(_ x: Tensor) -> [Tensor] {
    let T = lengths[0] + lengths[1], values = x.scalars
    return [0..<lengths[0], lengths[0]..<T].map { range in
      let part = (0..<B).flatMap { values[($0 * T + range.lowerBound) * D..<($0 * T + range.upperBound) * D] }
      return Tensor(part, [B, range.count, D])
    }
  }
  func joined(_ parts: [Tensor]) -> [Double] {
    var values: [Double] = []
    for b in 0..<B {
      for (part, length) in zip(parts, lengths) {
        values += part.doubles[b * length * D..<(b + 1) * length * D]
      }
    }
    return values
  }
}

/// Compares values and gradients of a mixer with those of `reference`, which is given the parameters.
///
/// - Parameter largest: the largest multiple of the weights for which the mixer has the range that `expectRange` tells of.
func expectMixer<M: SequenceMixer>(
  _: M.Type, _ configuration: M.Configuration, at depth: Depth = .alone, seed: UInt64 = 1,
  upTo largest: Float = 1e4,
  sourceLocation: SourceLocation = #_sourceLocation, reference: (MixerReference, [[Double]]) -> [[Double]]
) {
  expectLayer(
    M.perturbed(configuration, at: depth, seed: seed), M.name, width: configuration.width, upTo: largest,
    sourceLocation: sourceLocation, reference: reference)
}

/// The same for any layer over a stream of this width.
func expectLayer<L: SequenceLayer>(
  _ mixer: Subject<L>, _ name: String, width: Int, upTo largest: Float = 1e4,
  sourceLocation: SourceLocation = #_sourceLocation, reference: (MixerReference, [[Double]]) -> [[Double]]
) {
  let text = Text(D: width)
  let x = random([text.B, text.lengths.reduce(0, +), text.D], seed: 2)
  let seeds = text.cut(random(x.shape, seed: 3)), seed = text.joined(seeds)
  let parameters = mixer.doubles
  func expected(_ parameters: [String: [Double]], _ x: [Double]) -> [Double] {
    text.reference(x) { reference(MixerReference(parameters), $0) }
  }
  let y = expected(parameters, x.doubles)

  // Along single coordinates where there are few of them, else along random directions.
  let names = mixer.names + ["x"], values = mixer.names.map { parameters[$0] ?? [] } + [x.doubles]
  var directions: [[[Double]]] = [], slopes: [[Double]] = []
  for (i, value) in values.enumerated() {
    let own = (0..<min(value.count, 12)).map { direction in
      value.count <= 12
        ? value.indices.map { $0 == direction ? 1.0 : 0 }
        : random([value.count], seed: UInt64(100 * i + direction)).doubles
    }
    directions.append(own)
    slopes.append(
      own.map { direction in
        let h = 1e-5
        func loss(_ h: Double) -> Double {
          var changed = parameters
          let moved = zip(value, direction).map { $0 + h * $1 }
          if names[i] != "x" { changed[names[i]] = moved }
          return dot(expected(changed, names[i] == "x" ? moved : x.doubles), seed)
        }
        return (loss(h) - loss(-h)) / (2 * h)
      })
  }

  for first in Form.allCases {
    for second in Form.allCases {
      let tracked = mixer.changing { $1.tracked() }
      let leaves = tracked.parameters.map(\.value)
      let parts = text.cut(x).map { $0.tracked() }
      var state = tracked.initialState(batch: text.B)
      let outputs = [
        tracked.run(parts[0], form: first, resets: .none, state: &state),
        tracked.run(parts[1], form: second, resets: text.resets, state: &state),
      ]
      let error = relativeError(text.joined(outputs), y)
      #expect(error <= 1e-5, "\(name), \(first) then \(second)", sourceLocation: sourceLocation)

      let stream = mixer.own.stream()
      var cold = stream.initialState(batch: text.B)
      let streamed = zip(text.cut(x), [(first, Resets.none), (second, text.resets)]).map {
        stream.run($0, form: $1.0, resets: $1.1, state: &cold)
      }
      #expect(relativeError(text.joined(streamed), y) <= 1e-5, "stream", sourceLocation: sourceLocation)

      // The gradient of x through the first segment passes through the state between the two.
      let gradient = gradients(of: zip(outputs, seeds).map { ($0, $1) }, for: leaves + parts)
      let all = gradient.dropLast(2).map(\.doubles) + [text.joined(gradient.suffix(2))]
      for i in names.indices {
        let measured = directions[i].map { dot(all[i], $0) }
        let error = relativeError(measured, slopes[i])
        #expect(
          error <= 1e-4, "\(name), \(first) then \(second), \(names[i])", sourceLocation: sourceLocation)
      }
    }
  }
  expectRange(mixer, name, text, x, upTo: largest, sourceLocation: sourceLocation, reference: reference)
}

/// With all weights multiplied, as a run that goes astray leaves them, what Double computes within a Float's range is
/// computed here, in every form: within 1e-5, or as near as the reference stays where every number in it is off by up to
/// sixteen roundings, or, since an exponent of sixteen times the multiple is off by as many roundings of one, within that.
private func expectRange<L: SequenceLayer>(
  _ mixer: Subject<L>, _ name: String, _ text: Text, _ x: Tensor, upTo largest: Float,
  sourceLocation: SourceLocation,
  reference: (MixerReference, [[Double]]) -> [[Double]]
) {
  var compared = 0
  for scale: Float in [10, 1e2, 1e3, 1e4] where scale <= largest {
    let large = mixer.changing { scale * $1 }
    let parameters = large.doubles, xs = x.detached.doubles
    let expected = text.reference(xs) { reference(MixerReference(parameters), $0) }
    guard expected.allSatisfy({ abs($0) < 1e37 }) else { continue }
    var generator = SeededGenerator(seed: 16)
    func moved(_ value: Double) -> Double { value * (1 + 0x1p-20 * (2 * generator.uniform() - 1)) }
    let spread = (0..<3).map { _ in
      let names = parameters.keys.sorted()
      let near = Dictionary(uniqueKeysWithValues: names.map { ($0, (parameters[$0] ?? []).map(moved)) })
      return relativeError(
        text.reference(xs.map(moved)) { reference(MixerReference(near, rounding: moved), $0) }, expected)
    }
    let allowed = max(1e-5, spread.max() ?? 0, 16 * Double(scale) * 0x1p-24)
    // Rotated features that have nothing in common give differences of equal products, and what is left of these is divided
    // by ε: there the reference knows no digit, either.
    guard allowed < 1 else { continue }
    compared += 1
    let functions: [any LayerFunction] = [large, large.own.stream()]
    for model in functions {
      for form in Form.allCases {
        var state = model.initialState(batch: text.B)
        let y = text.joined(
          zip(text.cut(x), [Resets.none, text.resets]).map {
            model.run($0, form: form, resets: $1, state: &state)
          })
        let error = relativeError(y, expected)
        #expect(
          error.isFinite && error <= allowed, "\(name) times \(scale), \(form): \(error), not \(allowed)",
          sourceLocation: sourceLocation)
      }
    }
  }
  #expect(
    compared > 0, "\(name): no multiple of the weights stays within a Float", sourceLocation: sourceLocation)
}
