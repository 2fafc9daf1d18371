/// A mixer is a recurrence whose memory is a value: one sequence, three executions, one state.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

/// A function over time with a memory: a mixer, or the feed-forward part behind it.
///
/// A conforming type writes its mathematics once, in `run`. Only what looks back in time (a recurrence, a short
/// convolution, a token shift) looks at the form. `step`, `mix` and `parallel` are that one function; `scan` is the
/// plain fold of `step`, which every other form must equal.
public protocol SequenceLayer: Sendable {
  associatedtype State: RecurrentState

  /// Each parameter once, in checkpoint order.
  static var fields: [Field<Self>] { get }

  /// The memory before the first token, for `batch` rows.
  func initialState(batch: Int) -> State

  /// [B T D] → [B T D] for any T ≥ 0. The state of a row returns to its initial value before each of its resets.
  func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor

  /// The same, where a layer takes over values that an earlier layer of the same tokens left in `shared` (RWKV-7).
  func run(_ x: Tensor, form: Form, resets: Resets, state: inout State, shared: inout SharedValues) -> Tensor

  /// The same function with the constants that derive from parameters made once: for streaming.
  func frozen() -> Self
}

/// What the layers of a model hand on to each other beside the residual stream, for the tokens at hand.
public struct SharedValues: Sendable {
  /// The values of the first layer, [B T D] (RWKV-7).
  public var firstValue: Tensor?
  public init() {}
}

extension SequenceLayer {
  public func frozen() -> Self { self }

  public func run(
    _ x: Tensor, form: Form, resets: Resets, state: inout State, shared: inout SharedValues
  ) -> Tensor {
    run(x, form: form, resets: resets, state: &state)
  }

  /// One token: [B D] → [B D] in time and memory that do not depend on the past.
  public func step(_ x: Tensor, state: inout State) -> Tensor {
    let (batch, width) = (x.shape[0], x.shape[1])
    return run(x.reshaped([batch, 1, width]), form: .step, resets: .none, state: &state)
      .reshaped([batch, width])
  }

  /// Chunkwise over a segment: [B T D] → [B T D].
  public func mix(_ x: Tensor, resets: Resets = .none, state: inout State) -> Tensor {
    run(x, form: .mix, resets: resets, state: &state)
  }
}

/// The part of a layer that an architecture is named after: projections, the operands of a recurrence, the
/// recurrence, an output projection.
public protocol SequenceMixer: SequenceLayer {
  associatedtype Configuration: MixerConfiguration

  /// What the registry, `--help` and the documentation say.
  static var description: MixerDescription { get }

  var configuration: Configuration { get }
  init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator)
  /// The mixer of one layer of a model, for architectures whose initialisation depends on the depth (RWKV).
  init(_ configuration: Configuration, at depth: Depth, using generator: inout some RandomNumberGenerator)
}

extension SequenceMixer {
  public static var name: String { description.name }
  public static var forgets: Bool { Configuration.forgets }
  public static var feedForward: FeedForwardKind { Configuration.feedForward }
  public init(
    _ configuration: Configuration, at depth: Depth, using generator: inout some RandomNumberGenerator
  ) {
    self.init(configuration, using: &generator)
  }
}

/// Where in a model a layer stands.
public struct Depth: Sendable, Equatable {
  public let layer: Int
  /// The number of layers.
  public let count: Int
  public init(layer: Int, of count: Int) {
    self.layer = layer
    self.count = count
  }
  /// The only layer of a model.
  public static let alone = Depth(layer: 0, of: 1)
}

/// What a mixer is, in words and numbers.
public struct MixerDescription: Sendable {
  /// The name in the registry.
  public let name: String
  public let title: String
  public let paper: String
  /// The recurrence in plain text.
  public let recurrence: String
  /// The state of one layer and row as a formula, in floats.
  public let state: String
  /// The operations of the recurrence for one token as a formula, projections apart.
  public let cost: String
  public let parallelForm: String

  package init(
    name: String, title: String, paper: String, recurrence: String, state: String, cost: String,
    parallelForm: String
  ) {
    self.name = name
    self.title = title
    self.paper = paper
    self.recurrence = recurrence
    self.state = state
    self.cost = cost
    self.parallelForm = parallelForm
  }
}

/// A configuration that no model can have.
public struct ConfigurationError: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }

  package static func noSetting(_ name: String, among names: [String]) -> Self {
    ConfigurationError("there is no setting \(name); the settings are \(names.joined(separator: ", "))")
  }

  /// Throws unless every named number is positive.
  package static func requirePositive(_ numbers: KeyValuePairs<String, Int>) throws {
    for (name, number) in numbers where number <= 0 {
      throw ConfigurationError("\(name) is \(number); it must be positive")
    }
  }
}
