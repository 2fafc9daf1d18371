/// Mixers whose recurrence is linear and the same at all times: it is a convolution, and its kernel can be written down.

import RunnelRecurrences
import RunnelTensors

/// A mixer whose recurrence is a convolution, so that its kernel can be written to a file.
public protocol ConvolutionalMixer: SequenceMixer {
  /// What the mixer's linear systems answer to a one followed by zeros, from the initial state; gates and
  /// activations are no part of it. The parallel form computes kernels in Double.
  func impulseResponses(length: Int, form: Form) -> [ImpulseResponse]
}

extension ConvolutionalMixer {
  /// What a system of the layer answers from its initial state, in one form.
  func response(
    of system: @escaping (Tensor, Constants, Form, Resets, inout RecurrentState) -> Tensor, _ form: Form
  ) -> (Tensor) -> Tensor {
    { u in
      var state = initialState(batch: u.shape[0])
      return system(u, constants, form, .none, &state)
    }
  }
}

/// A convolution's kernel by its name within a mixer.
public struct ImpulseResponse: Sendable {
  /// Its name in a file: that of the layer.
  public let name: String
  /// [channels L] where every channel is filtered for itself; [outputs inputs L] where all drive all.
  public let kernel: Tensor

  package func named(_ name: String) -> ImpulseResponse { ImpulseResponse(name: name, kernel: kernel) }

  /// The kernel of channels that are filtered each for itself.
  ///
  /// - Parameter respond: u [1 L channels] → y [1 L channels].
  public static func perChannel(
    _ name: String, channels E: Int, length L: Int, _ respond: (Tensor) -> Tensor
  ) -> ImpulseResponse {
    let y = respond(Tensor([1, L, E]) { u in for i in 0..<L * E { u[i] = i < E ? 1 : 0 } })
    return ImpulseResponse(
      name: name, kernel: Tensor([E, L]) { k in for i in 0..<E * L { k[i] = y.base[i % L * E + i / L] } })
  }

  /// The kernel of a system in which all channels drive all.
  ///
  /// - Parameter respond: u [D L D], an impulse in channel i of row i, → y [D L D].
  public static func acrossChannels(
    _ name: String, width D: Int, length L: Int, _ respond: (Tensor) -> Tensor
  ) -> ImpulseResponse {
    let y = respond(
      Tensor([D, L, D]) { u in
        u.update(repeating: 0, count: D * L * D)
        if L > 0 { for i in 0..<D { u[i * L * D + i] = 1 } }
      })
    return ImpulseResponse(
      name: name,
      kernel: Tensor([D, D, L]) { k in
        for o in 0..<D {
          for i in 0..<D { for t in 0..<L { k[(o * D + i) * L + t] = y.base[(i * L + t) * D + o] } }
        }
      })
  }
}
