import Runnel
import Testing

extension ToolTests {
  /// Products were once cut by the number of threads. OpenBLAS has other kernels for small ones, so Mamba and Mamba-2
  /// came out with other bits on two threads than on one.
  @Test(
    "a mixer trains to the same bits on any number of threads",
    arguments: Registry.names + ["mamba,attention"])
  func threads(mixer: String) throws {
    let place = try Workplace()
    let corpus = try place.makeCorpus()
    // Large enough that products and scans are split.
    var models: [[UInt8]] = []
    for threads in [1, 2, 3] {
      let run = "run-\(threads)"
      try place.run(
        "train", "--corpus", corpus, "--mixer", mixer, "--out", run, "--steps", "3", "--width", "128",
        "--layers", "2",
        "--batch", "4", "--segment", "256", "--threads", "\(threads)"
      ).succeeded()
      models.append(try place.bytes(of: run + "/model.safetensors"))
    }
    #expect(models[0] == models[1] && models[0] == models[2])
  }
}
