import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("mixers over windows of tokens are their papers' formulas, in value and in gradient")
struct WindowMixerTests {
  struct Heads: Sendable { let H, G, K, W: Int, fraction: Double, R: Int, hasBias: Bool }

  @Test(
    "softmax attention: windows, shared keys, partial rotation, biases",
    arguments: [
      Heads(H: 2, G: 2, K: 4, W: 100, fraction: 1, R: 4, hasBias: false),
      Heads(H: 4, G: 1, K: 4, W: 5, fraction: 0.5, R: 2, hasBias: true),
      Heads(H: 4, G: 2, K: 2, W: 1, fraction: 0, R: 0, hasBias: true),
    ])
  func attention(n: Heads) {
    let configuration = Attention.Configuration(width: 4) {
      ($0.heads, $0.keyValueHeads, $0.headWidth, $0.window, $0.rotaryFraction, $0.hasBias, $0.hasOutputBias) =
        (n.H, n.G, n.K, n.W, n.fraction, n.hasBias, n.hasBias)
    }
    expectMixer(Attention.self, configuration) {
      $0.attention($1, headWidth: n.K, rotated: n.R, window: n.W)
    }
  }

  @Test("prompts as long as the window, one token shorter and longer, go on alike", arguments: [1, 2, 7])
  func prompts(W: Int) {
    let mixer = Attention.perturbed(
      .init(width: 8) { ($0.heads, $0.headWidth, $0.window) = (2, 4, W) })
    for length in [0, 1, W - 1, W, W + 1, 3 * W] {
      let prompt = random([2, length, 8], seed: 3)
      var stepped = mixer.initialState(batch: 2)
      _ = mixer.run(prompt, form: .step, resets: .none, state: &stepped)
      for form in [Form.mix, .parallel] {
        var state = mixer.initialState(batch: 2)
        _ = mixer.run(prompt, form: form, resets: .none, state: &state)
        #expect(state.position == [length, length])
        // The rings hold projections, of products of other shapes.
        #expect(relativeError(state["keys"], stepped["keys"]) < 1e-6, "\(form), \(length) tokens")
        var (other, expected) = (state, stepped)
        let next = random([2, 8], seed: 4)
        let error = relativeError(mixer.step(next, state: &other), mixer.step(next, state: &expected))
        #expect(error < 1e-5, "\(form), \(length) tokens")
      }
    }
  }

  // The gradients of scores fall with C²; for longer chunks the rounding of the loss hides them from
  // differences.
  @Test("FLASH, in chunks of one token and of several", arguments: [1, 4, 16])
  func flash(chunk: Int) {
    let configuration = Flash.Configuration(width: 4) {
      ($0.expandedWidth, $0.keyWidth, $0.chunk) = (6, 4, chunk)
    }
    expectMixer(Flash.self, configuration) { $0.flash($1, chunk: chunk) }
  }

  @Test("FLASH: a prompt of a chunk, one token shorter and longer, goes on alike", arguments: [1, 5])
  func chunks(chunk C: Int) {
    let mixer = Flash.perturbed(
      .init(width: 8) { ($0.expandedWidth, $0.keyWidth, $0.chunk) = (6, 4, C) })
    for length in [0, 1, C - 1, C, C + 1, 3 * C] {
      let prompt = random([2, length, 8], seed: 3), next = random([2, 8], seed: 4)
      var outputs: [Tensor] = []
      for form in Form.allCases {
        var state = mixer.initialState(batch: 2)
        _ = mixer.run(prompt, form: form, resets: .none, state: &state)
        outputs.append(mixer.step(next, state: &state))
      }
      for output in outputs { #expect(relativeError(output, outputs[0]) < 1e-5, "\(length) tokens") }
    }
  }

  @Test("a window that no memory holds is refused")
  func hugeWindow() {
    #expect(throws: ConfigurationError.self) {
      let own = Attention.Configuration(width: 8) { ($0.heads, $0.headWidth, $0.window) = (2, 4, 1 << 50) }
      try ModelConfiguration([MixerChoice(Attention.self, own)], vocabularySize: 16, width: 8, layers: 1)
        .validate()
    }
    #expect(throws: ConfigurationError.self) {
      let own = Flash.Configuration(width: 8) { ($0.expandedWidth, $0.chunk) = (16, 1 << 50) }
      try ModelConfiguration([MixerChoice(Flash.self, own)], vocabularySize: 16, width: 8, layers: 1)
        .validate()
    }
  }

  @Test("the state has the bytes that the description's formula says")
  func stateBytes() {
    expectStateBytes(
      Attention.self,
      .init(width: 12) { ($0.heads, $0.keyValueHeads, $0.headWidth, $0.window) = (4, 2, 6, 9) },
      ["W": 9, "G": 2, "K": 6])
    expectStateBytes(
      Flash.self,
      .init(width: 4) { ($0.expandedWidth, $0.keyWidth, $0.chunk) = (6, 8, 5) }, ["C": 5, "S": 8, "E": 6])
  }
}
