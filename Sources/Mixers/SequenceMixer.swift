/// A mixer is a recurrence whose memory is a value: one sequence, three executions, one state.

import RunnelRecurrences
import RunnelTensors

/// What runs over time with a memory: a layer whose parameters may be trained, or a stream of it.
public protocol LayerFunction: Sendable {
  /// The memory before the first token, for `batch` rows.
  func initialState(batch: Int) -> RecurrentState

  /// [B T D] → [B T D] for any T ≥ 0. The state of a row returns to its initial value before each of its resets.
  ///
  /// - Parameter shared: what an earlier layer of the same tokens has left.
  func run(
    _ x: Tensor, form: Form, resets: Resets, state: inout RecurrentState, shared: inout SharedValues
  ) -> Tensor

  /// The layer that it is, or streams.
  var layer: any SequenceLayer { get }
}

extension LayerFunction {
  /// Alone, a layer finds nothing of earlier ones.
  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout RecurrentState) -> Tensor {
    var shared = SharedValues()
    return run(x, form: form, resets: resets, state: &state, shared: &shared)
  }

  /// One token: [B D] → [B D] in time and memory that do not depend on the past.
  public func step(_ x: Tensor, state: inout RecurrentState) -> Tensor {
    let (batch, width) = (x.shape[0], x.shape[1])
    return run(x.reshaped([batch, 1, width]), form: .step, resets: .none, state: &state)
      .reshaped([batch, width])
  }

  /// Chunkwise over a segment: [B T D] → [B T D].
  public func mix(_ x: Tensor, resets: Resets = .none, state: inout RecurrentState) -> Tensor {
    run(x, form: .mix, resets: resets, state: &state)
  }
}

/// A function over time with a memory: a mixer, or the feed-forward part behind it. Its parameters are constants of the
/// value; whoever changes them makes another.
///
/// A conforming type writes its mathematics once, in `run`. Only what looks back in time (a recurrence, a short
/// convolution, a token shift) looks at the form. `step`, `mix` and `parallel` are that one function; `scan` is the
/// plain fold of `step`, which every other form must equal.
public protocol SequenceLayer: LayerFunction {
  /// What derives from the parameters alone. Training makes it in every run, so that gradients flow through it; a stream
  /// makes it once.
  associatedtype Constants: Sendable = Void

  /// Computed anew at each call, from the parameters.
  var constants: Constants { get }

  /// The memory, each tensor once.
  var memory: [StateTensor] { get }
  /// Whether the memory counts the tokens of each row's document.
  static var countsTokens: Bool { get }

  /// [B T D] → [B T D] for any T ≥ 0. The state of a row returns to its initial value before each of its resets.
  func run(
    _ x: Tensor, _ constants: Constants, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor

  /// The same, where a layer takes over values that an earlier layer of the same tokens left in `shared` (RWKV-7).
  func run(
    _ x: Tensor, _ constants: Constants, form: Form, resets: Resets, state: inout RecurrentState,
    shared: inout SharedValues
  ) -> Tensor

  /// What a stream does for one token of every row, [B 1 D] → [B 1 D], where it can do better than `run`; nil where it
  /// cannot.
  func fusedStep(_ x: Tensor, _ constants: Constants, state: inout RecurrentState) -> Tensor?
}

extension SequenceLayer where Constants == Void {
  public var constants: Void { () }
}

extension SequenceLayer {
  public static var countsTokens: Bool { false }
  public var layer: any SequenceLayer { self }

  public func initialState(batch: Int) -> RecurrentState {
    RecurrentState(memory, countsTokens: Self.countsTokens, batch: batch)
  }

  public func run(
    _ x: Tensor, _ constants: Constants, form: Form, resets: Resets, state: inout RecurrentState,
    shared: inout SharedValues
  ) -> Tensor {
    run(x, constants, form: form, resets: resets, state: &state)
  }

  public func run(
    _ x: Tensor, form: Form, resets: Resets, state: inout RecurrentState, shared: inout SharedValues
  ) -> Tensor {
    run(x, constants, form: form, resets: resets, state: &state, shared: &shared)
  }

  public func fusedStep(_ x: Tensor, _ constants: Constants, state: inout RecurrentState) -> Tensor? { nil }

  /// The same function for streaming. Gradients end here.
  public func stream() -> any LayerFunction { LayerStream(self) }
}

/// A layer for streaming: what derives from its parameters is made once, and nobody can change these.
struct LayerStream<Layer: SequenceLayer>: LayerFunction {
  private let own: Layer
  private let constants: Layer.Constants

  init(_ layer: Layer) { (own, constants) = (layer, layer.constants) }

  var layer: any SequenceLayer { own }

  func initialState(batch: Int) -> RecurrentState { own.initialState(batch: batch) }

  func run(
    _ x: Tensor, form: Form, resets: Resets, state: inout RecurrentState, shared: inout SharedValues
  ) -> Tensor {
    if form == .step, x.shape[1] == 1, resets.isEmpty, let y = own.fusedStep(x, constants, state: &state) {
      return y
    }
    return own.run(x, constants, form: form, resets: resets, state: &state, shared: &shared)
  }
}

/// What the layers of a model hand on to each other beside the residual stream, for the tokens at hand: a tensor for each type
/// of key.
public struct SharedValues: Sendable {
  /// In the order in which they were first left.
  package private(set) var keys: [any SharedValueKey.Type] = []
  package private(set) var tensors: [Tensor] = []
  /// What the first layer finds: nothing.
  public init() {}

  package init(_ keys: [any SharedValueKey.Type], _ tensors: [Tensor]) {
    (self.keys, self.tensors) = (keys, tensors)
  }

  /// What was left under this key; nil where nothing was.
  public subscript(key: any SharedValueKey.Type) -> Tensor? {
    get { keys.firstIndex { $0 == key }.map { tensors[$0] } }
    set {
      switch (keys.firstIndex { $0 == key }, newValue) {
      case (let index?, let value?): tensors[index] = value
      case (let index?, nil):
        keys.remove(at: index)
        tensors.remove(at: index)
      case (nil, let value?):
        keys.append(key)
        tensors.append(value)
      case (nil, nil): break
      }
    }
  }
}

/// Names a tensor that layers share.
public protocol SharedValueKey: SendableMetatype {}

/// The part of a layer that an architecture is named after: projections, the operands of a recurrence, the
/// recurrence, an output projection.
public protocol SequenceMixer: SequenceLayer {
  /// The settings of the mixer, each with a name, a default and bounds.
  associatedtype Configuration: MixerConfiguration

  /// What the registry, `--help` and the documentation say.
  static var description: MixerDescription { get }

  /// What the layer was made of.
  var configuration: Configuration { get }

  /// Asks for each parameter once.
  ///
  /// - Parameter depth: where in the model the layer stands, for architectures whose initialisation depends on it (RWKV).
  init(_ configuration: Configuration, at depth: Depth, from parameters: Parameters)
}

extension SequenceMixer {
  /// The name in the registry.
  public static var name: String { description.name }
  /// Whether the past fades, so that the rounding errors of a long stream do too.
  public static var forgets: Bool { Configuration.forgets }
  /// What the architecture puts behind the mixer.
  public static var feedForward: FeedForwardKind { Configuration.feedForward }
  /// A mixer with fresh parameters, the only layer of its model; the same seed gives the same.
  public init(_ configuration: Configuration, seed: UInt64) {
    self.init(configuration, at: .alone, from: Parameters(seed: seed))
  }
}

/// Where in a model a layer stands.
public struct Depth: Sendable, Equatable {
  /// Counted from 0.
  public let layer: Int
  /// The number of layers.
  public let count: Int
  /// Layer `layer` of a model of `count`.
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
  /// The name in prose.
  public let title: String
  /// Authors, year and identifier of the publication.
  public let paper: String
  /// The recurrence in plain text.
  public let recurrence: String
  /// The state of one layer and row as a formula, in floats.
  public let state: String
  /// The operations of the recurrence for one token as a formula, projections apart.
  public let cost: String
  /// What `parallel` computes, in a few words.
  public let parallelForm: String

  /// The parts of one line of the table of mixers.
  public init(
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
