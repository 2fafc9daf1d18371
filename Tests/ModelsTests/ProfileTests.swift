import RunnelKernels
import RunnelMixers
import RunnelModels
import RunnelTensors
import Testing

@Suite("a profile knows what every operation of a model is for", .serialized)
struct ProfileTests {
  @Test("no operation on the tape of any mixer is without its kind of work", arguments: Registry.names)
  func kinds(name: String) {
    for model in tinyModels where model.mixerName == name {
      var nameless: Set<String> = [], count = 0
      let profile = Profiler.profile {
        var leaves: [Tensor] = []
        let tracked = model.replacingParameters {
          leaves.append($0.value.tracked())
          return leaves[leaves.count - 1]
        }
        let ids = tokens(2 * 33, below: 64, seed: 5)
        var state = tracked.initialState(batch: 2)
        let loss = tracked.loss(ids, targets: ids, batch: 2, resets: .none, state: &state).mean
        _ = knownGradients(of: [(loss, Tensor(ones: loss.shape))], for: leaves) { node, _, _ in
          count += 1
          if node.work == .rest { nameless.insert("\(node.operation)") }
        }
      }
      #expect(count > 10 && nameless.isEmpty, "\(name): \(nameless)")
      // Recurrences go by their own names, not by that of the driver's function.
      #expect(!profile.byOperation.contains { $0.operation.name == "run" }, "\(name)")
      for work in [Profiler.Work.products, .norms, .loss, .embedding] {
        #expect(profile.byWork.contains { $0.operation.work == work }, "\(name): no \(work)")
      }
    }
  }

  @Test("recurrences are told apart, forwards and backwards")
  func recurrences() throws {
    let configuration = ModelConfiguration(
      [MixerChoice(Mamba.self, width: 32), MixerChoice(Mamba2.self, width: 32)], vocabularySize: 64,
      width: 32, layers: 2)
    let model = try LanguageModel(configuration, seed: 1)
    let profile = Profiler.profile {
      var leaves: [Tensor] = []
      let tracked = model.replacingParameters {
        leaves.append($0.value.tracked())
        return leaves[leaves.count - 1]
      }
      let ids = tokens(33, below: 64, seed: 5)
      var state = tracked.initialState(batch: 1)
      let loss = tracked.loss(ids, targets: ids, batch: 1, resets: .none, state: &state).mean
      _ = gradients(of: [(loss, Tensor(ones: loss.shape))], for: leaves)
    }
    let found = profile.accounts.map(\.operation).filter { $0.work == .recurrence }
      .map { "\($0.name) \($0.isBackward)" }
    #expect(
      Set(found) == [
        "SelectiveScan false", "SelectiveScan true", "MatrixMemory false", "MatrixMemory true",
      ])
  }
}
