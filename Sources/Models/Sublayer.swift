/// x + f(norm(x)): a layer of a model is one or two of these, the mixer and what the architecture puts behind it.

import RunnelMixers
import RunnelRecurrences
import RunnelTensors

/// A norm with its parameters.
struct Norm: Sendable {
  let kind: NormKind
  let epsilon: Float
  var scale: Tensor
  /// Absent in an RMS norm, and where a layer norm has none.
  var bias: Tensor

  init(_ kind: NormKind, width: Int, epsilon: Float, hasBias: Bool) {
    (self.kind, self.epsilon) = (kind, epsilon)
    scale = Tensor(ones: [width])
    bias = kind == .layer && hasBias ? Tensor(zeros: [width]) : .absent
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    switch kind {
    case .rms: rmsNorm(x, scale: scale, epsilon: epsilon)
    case .layer: layerNorm(x, scale: scale, bias: bias, epsilon: epsilon)
    }
  }

  static let fields: [Field<Norm>] = [
    .init("weight", \.scale, .exempt), .init("bias", \.bias, .exempt),
  ]
}

struct Sublayer: Sendable {
  /// The names of the norm and of the function in a checkpoint.
  let normName, name: String
  var norm: Norm
  var body: any SequenceLayer

  func run(
    _ x: Tensor, form: Form, resets: Resets, state: inout any RecurrentState, shared: inout SharedValues
  ) -> Tensor {
    x + body.run(norm(x), form: form, resets: resets, anyState: &state, shared: &shared)
  }

  mutating func visit(
    _ prefix: String, _ body: (Parameter.Place, inout StoredParameter) throws -> Void
  ) rethrows {
    try visitFields(of: &norm, Norm.fields, prefix + normName + ".", body)
    try self.body.visitFields(prefix + name + ".", body)
  }
}

extension Sublayer {
  static func mixer(_ body: any SequenceLayer, norm: Norm) -> Sublayer {
    Sublayer(normName: "norm", name: "mixer", norm: norm, body: body)
  }
  static func feedForward(_ body: any SequenceLayer, norm: Norm) -> Sublayer {
    Sublayer(normName: "mlp_norm", name: "mlp", norm: norm, body: body)
  }
}

extension SequenceLayer {
  fileprivate func run(
    _ x: Tensor, form: Form, resets: Resets, anyState: inout any RecurrentState,
    shared: inout SharedValues
  ) -> Tensor {
    guard var own = anyState as? State else {
      preconditionFailure("a state of \(type(of: anyState)) for \(Self.self)")
    }
    // So that `own` is the only owner of its memory, which is then changed in place.
    anyState = NoState()
    defer { anyState = own }
    return run(x, form: form, resets: resets, state: &own, shared: &shared)
  }

  func anyInitialState(batch: Int) -> any RecurrentState { initialState(batch: batch) }

  fileprivate mutating func visitFields(
    _ prefix: String, _ body: (Parameter.Place, inout StoredParameter) throws -> Void
  ) rethrows {
    try RunnelModels.visitFields(of: &self, Self.fields, prefix, body)
  }
}

/// The one walk over parameters that saving, training, packing and counting share; absent ones are passed over.
func visitFields<Root>(
  of root: inout Root, _ fields: [Field<Root>], _ prefix: String,
  _ body: (Parameter.Place, inout StoredParameter) throws -> Void
) rethrows {
  for field in fields {
    try field.visit(&root) {
      try body(Parameter.Place(name: prefix + field.name, traits: field.traits), &$0)
    }
  }
}
