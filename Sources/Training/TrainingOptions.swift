/// The settings of a run that somebody asks for; what is left out is chosen for the model, the corpora and the budget.

import RunnelModels

/// Any of the properties of ``TrainingSettings``, each given or not:
///
///     var options = TrainingOptions()
///     options.budget = .minutes(3)
///     options.learningRate = 1e-3
///     options.batch                       // nil: the plan chooses
///
/// A budget that is not given is ``Budget/usual``.
@dynamicMemberLookup
public struct TrainingOptions: Sendable {
  private struct Option: Sendable {
    let path: any PartialKeyPath<TrainingSettings> & Sendable
    let value: any Sendable
    let apply: @Sendable (inout TrainingSettings) -> Void
  }
  private var given: [Option] = []

  /// Nothing is asked for.
  public init() {}

  /// What is asked for; nil where that is left to the plan.
  public subscript<Value: Sendable>(
    dynamicMember path: any WritableKeyPath<TrainingSettings, Value> & Sendable
  ) -> Value? {
    get {
      // Of a setting that may be nil, nothing given is not the same as nil given.
      guard let option = given.first(where: { $0.path == path }) else { return nil }
      return option.value as? Value
    }
    set {
      given.removeAll { $0.path == path }
      guard let newValue else { return }
      given.append(Option(path: path, value: newValue) { $0[keyPath: path] = newValue })
    }
  }

  /// These settings with what is asked for in their place. Checkpoints by steps alone are none by time.
  public func applied(to settings: TrainingSettings) -> TrainingSettings {
    var settings = settings
    if self.checkpointInterval != nil { settings.checkpointMinutes = 0 }
    for option in given { option.apply(&settings) }
    return settings
  }
}
