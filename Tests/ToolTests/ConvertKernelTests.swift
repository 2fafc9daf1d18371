import Foundation
import Runnel
import Testing

extension ToolTests {
  @Suite("runnel convert: kernels") struct ConvertKernel {
    let place: Workplace
    init() throws { place = try Workplace() }

    @Test func `a model's kernels become recurrences that stream as they do`() throws {
      let model = try place.makeModel("s4d")
      let written = try place.run(
        "convert", model, "kernel.safetensors", "--to", "kernel", "--length", "200", "--json"
      ).succeeded().json()
      let names = (written["kernels"] as? [[String: Any]])?.compactMap { $0["tensor"] as? String }
      #expect(names == ["layers.0.kernel", "layers.1.kernel"])
      #expect(try KernelFile.read(place("kernel.safetensors")).map(\.length) == [200, 200])

      let json = try place.run(
        "convert", "kernel.safetensors", "stream.safetensors", "--to", "recurrent", "--tolerance", "1e-2",
        "--json"
      ).succeeded().json()
      let kernels = try #require(json["kernels"] as? [[String: Any]])
      #expect(kernels.count == 2)
      for kernel in kernels {
        #expect(kernel["channels"] as? Int == 32 && kernel["taps"] as? Int == 200)
        #expect(try #require(kernel["max_relative_error"] as? Double) <= 1e-2)
        #expect(try #require(kernel["stream_error_worst_channel"] as? Double) <= 5e-2)
        let states = try #require(kernel["states"] as? [String: Int])
        let least = try #require(kernel["least_states"] as? [String: Int])
        #expect(try #require(states["max"]) <= 256 && #require(least["max"]) <= #require(states["max"]))
        #expect(try #require(least["min"]) > 0)
      }
      #expect(try RecurrenceFile.read(place("stream.safetensors")).map(\.name) == names)

      let one = try place.run(
        "convert", "kernel.safetensors", "one.safetensors", "--to", "recurrent", "--tensor",
        "layers.1.kernel",
        "--tolerance", "1e-2"
      ).succeeded()
      for word in ["layers.1.kernel", "states per channel", "no fewer than", "streamed"] {
        #expect(one.text.contains(word), "\(one.text)")
      }
      #expect(try RecurrenceFile.read(place("one.safetensors")).map(\.name) == ["layers.1.kernel"])
    }

    @Test func `what cannot be converted is told in one line`() throws {
      let model = try place.makeModel("mamba")
      try place.run("convert", model, "k.safetensors", "--to", "kernel", "--length", "9").failed(
        1, "no layer of mamba is a convolution", "s4d")
      var writer = SafetensorsWriter(), generator = SeededGenerator(seed: 1)
      writer.add("noise", Tensor.normal([2, 600], using: &generator))
      try writer.write(to: place("noise.safetensors"))
      try place.run(
        "convert", "noise.safetensors", "r.safetensors", "--to", "recurrent", "--max-state", "8"
      ).failed(1, "\"noise\", 2 of 2 channels", "0.0001", "no recurrence of fewer than", logs: true)
      try place.run("convert", "noise.safetensors", "noise.safetensors", "--to", "recurrent").failed(
        1, "the input")
      #expect(!place.exists("r.safetensors") && !place.exists("k.safetensors"))
    }

    @Test(arguments: [
      (["--to", "kernel"], "--length"), (["--to", "kernel", "--length", "0"], "--length"),
      (["--to", "recurrent", "--length", "5"], "--length"),
      (["--to", "recurrent", "--tolerance", "0"], "--tolerance"),
      (["--to", "recurrent", "--max-state", "0"], "--max-state"),
      (["--to", "parallel", "--tolerance", "0.1"], "--tolerance"),
    ])
    func `misuse is told`(options: [String], word: String) throws {
      try place.run(["convert", "a", "b"] + options).failed(64, word)
    }
  }
}
