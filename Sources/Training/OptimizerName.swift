/// The optimisers: which there are, what each keeps of a parameter, and how it moves it.

import RunnelMixers
import RunnelTensors

/// The rule by which a step moves the parameters; in `run.json` and for `--optimizer` by these names.
public enum OptimizerName: String, Codable, Sendable, CaseIterable {
  /// Adam whose weight decay is decoupled from the gradient (Loshchilov and Hutter 2019).
  case adamw
  /// Adam as it first was (Kingma and Ba 2015): the decay is added to the gradient, as that of an L2 penalty.
  case adam
  /// Stochastic gradient descent, with momentum; the decay is added to the gradient.
  case sgd
  /// The sign of a mean of gradients (Chen et al. 2023).
  case lion
  /// Momentum made orthogonal (Jordan et al. 2024) for the matrices inside the model, AdamW for the rest.
  case muon

  /// The share of its velocity that a step keeps where nobody says; nil where the rule has no momentum of that kind.
  public var usualMomentum: Double? {
    switch self {
    case .sgd: 0.9
    case .muon: 0.95
    case .adamw, .adam, .lion: nil
    }
  }
}

/// What an optimiser keeps of a parameter beside its numbers: of a gradient and of its square the running means, or less.
struct Moments: Sendable {
  var first = Tensor.absent
  var second = Tensor.absent

  /// By their names in a checkpoint, in the order in which rules use them.
  static let fields: [(name: String, path: WritableKeyPath<Moments, Tensor> & Sendable)] = [
    ("first", \.first), ("second", \.second),
  ]
}

/// How one parameter moves, and how much that keeps of it: the one description of an optimiser.
enum UpdateRule: Sendable, Equatable {
  case adam(beta1: Double, beta2: Double, epsilon: Double, isCoupled: Bool)
  case sgd(momentum: Double, isNesterov: Bool)
  case lion(beta1: Double, beta2: Double)
  case muon(momentum: Double)

  /// The rule of these settings for a parameter.
  init(_ settings: TrainingSettings, for place: ParameterPlace) {
    let momentum = settings.momentum ?? settings.optimizer.usualMomentum ?? 0
    let adam = UpdateRule.adam(
      beta1: settings.beta1, beta2: settings.beta2, epsilon: settings.epsilon,
      isCoupled: settings.optimizer == .adam)
    switch settings.optimizer {
    case .adamw, .adam: self = adam
    case .sgd: self = .sgd(momentum: momentum, isNesterov: settings.nesterov)
    case .lion: self = .lion(beta1: settings.beta1, beta2: settings.beta2)
    case .muon: self = place.isHiddenMatrix ? .muon(momentum: momentum) : adam
    }
  }

  /// How many of the fields of ``Moments`` it keeps.
  private var kept: Int {
    switch self {
    case .adam: 2
    case .sgd(let momentum, _): momentum > 0 ? 1 : 0
    case .lion, .muon: 1
    }
  }

  /// Those.
  var fields: ArraySlice<(name: String, path: WritableKeyPath<Moments, Tensor> & Sendable)> {
    Moments.fields.prefix(kept)
  }

  /// The floats that a step needs beside for a parameter of this shape, for as long as it moves it.
  func scratch(_ shape: Shape) -> Int {
    if case .muon = self { Tensor.muonScratch(shape) } else { 0 }
  }

  /// What it keeps of a parameter before the first step.
  func moments(_ shape: Shape) -> Moments {
    var moments = Moments()
    for field in fields { moments[keyPath: field.path] = Tensor(zeros: shape) }
    return moments
  }

  /// Moves a parameter and what is kept of it in place.
  ///
  /// - Parameter step: of the updates, counted from one.
  func update(
    _ value: inout Tensor, _ gradient: Tensor, _ moments: inout Moments, step: Int, _ scale: UpdateScale
  ) {
    switch self {
    case .adam(let beta1, let beta2, let epsilon, let isCoupled):
      adamUpdate(
        &value, gradient: gradient, firstMoment: &moments.first, secondMoment: &moments.second, step: step,
        beta1: beta1, beta2: beta2, epsilon: epsilon, isCoupled: isCoupled, scale)
    case .sgd(let momentum, let isNesterov):
      sgdUpdate(
        &value, gradient: gradient, velocity: &moments.first, momentum: momentum, isNesterov: isNesterov,
        scale)
    case .lion(let beta1, let beta2):
      lionUpdate(&value, gradient: gradient, momentum: &moments.first, beta1: beta1, beta2: beta2, scale)
    case .muon(let momentum):
      muonUpdate(&value, gradient: gradient, velocity: &moments.first, momentum: momentum, scale)
    }
  }
}

extension ParameterPlace {
  /// Whether Muon moves it: a matrix with weight decay that is neither the table of the embedding nor that of the head.
  fileprivate var isHiddenMatrix: Bool {
    traits.decays && shape.rank == 2 && min(shape[0], shape[1]) > 1
      && !["embedding.weight", "head.weight"].contains(name)
  }
}
