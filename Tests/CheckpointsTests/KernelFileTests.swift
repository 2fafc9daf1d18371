import RunnelCheckpoints
import RunnelFiles
import RunnelRecurrences
import RunnelTensors
import Testing

@Suite("files of kernels and of recurrences")
struct KernelFileTests {
  let folder = TemporaryFolder()

  private func write(_ tensors: [(String, Shape, ElementType)], spoiled: Int? = nil) throws -> String {
    var generator = SeededGenerator(seed: 1), writer = SafetensorsWriter()
    for (name, shape, type) in tensors {
      var tensor = Tensor.normal(shape, using: &generator)
      if let spoiled { tensor[spoiled] = .nan }
      writer.add(name, tensor, as: type)
    }
    try writer.write(to: folder("kernel.safetensors"))
    return folder("kernel.safetensors")
  }

  @Test func `one filter per channel, in any of its shapes and types`() throws {
    let plain = try KernelFile.read(write([("filter", [3, 5], .float32), ("bias", [3], .float32)]))
    #expect(plain.map(\.name) == ["filter"] && plain[0].filters.map(\.count) == [5, 5, 5])
    let depthwise = try KernelFile.read(write([("filter", [3, 1, 5], .bfloat16)]))
    #expect(depthwise[0].length == 5 && depthwise[0].filters.count == 3)
    for (a, b) in zip(plain[0].filters.joined(), depthwise[0].filters.joined()) {
      #expect(abs(a - b) <= abs(a) / 256)
    }
    // 1, −2 and 2⁻²⁴ as halves.
    writeRaw(
      safetensors(#"{"k":{"dtype":"F16","shape":[1,3],"data_offsets":[0,6]}}"#, data: 0)
        + [0x00, 0x3C, 0x00, 0xC0, 0x01, 0x00], to: folder("half.safetensors"))
    #expect(try KernelFile.read(folder("half.safetensors"))[0].filters == [[1, -2, 0x1p-24]])
  }

  @Test func `several kernels are named, and chosen by name`() throws {
    let path = try write([("a", [2, 4], .float32), ("b", [2, 4], .float32)])
    let text = sentence(in: folder) { _ = try KernelFile.read(path) }
    #expect(text.contains("\"a\", \"b\"") && text.contains("--tensor"), "\(text)")
    #expect(try KernelFile.read(path, tensors: ["b"]).map(\.name) == ["b"])
    #expect(sentence(in: folder) { _ = try KernelFile.read(path, tensors: ["c"]) }.contains("\"c\""))
  }

  @Test func `what is no kernel is refused by name and place`() throws {
    let bad = try write([("k", [3, 5], .float32)], spoiled: 7)
    let text = sentence(in: folder) { _ = try KernelFile.read(bad) }
    #expect(text.contains("\"k\", channel 1, tap 2") && text.contains("nan"), "\(text)")
    let wide = try write([("k", [2, 2, 5], .float32)])
    #expect(sentence(in: folder) { _ = try KernelFile.read(wide) }.contains("[channels taps]"))
    let named = sentence(in: folder) { _ = try KernelFile.read(wide, tensors: ["k"]) }
    #expect(named.contains("F32 of shape [2, 2, 5]"), "\(named)")
    let empty = try write([("k", [3, 0], .float32)])
    #expect(sentence(in: folder) { _ = try KernelFile.read(empty) }.contains("expected a kernel"))
  }

  @Test func `a recurrence comes back as it was`() throws {
    let kernels = [(0..<64).map { 1 / Double(1 + $0) }, Array(repeating: 0, count: 64)]
    let fits = DiagonalRealization.fit(kernels, tolerance: 1e-4, maxStates: 32)
    let filters = DiagonalFilters(fits.map(\.realization))
    try RecurrenceFile.write([.init(name: "k", filters: filters)], to: folder("r.safetensors"))
    let back = try RecurrenceFile.read(folder("r.safetensors"))
    #expect(back.map(\.name) == ["k"])
    #expect(back[0].filters.poles.scalars == filters.poles.scalars)
    #expect(back[0].filters.residues.scalars == filters.residues.scalars)
    #expect(back[0].filters.divergence(from: kernels).worst <= 1e-3)
  }

  @Test func `damaged recurrences are refused`() throws {
    func refusal(_ poles: Tensor, _ residues: Tensor, _ direct: Tensor, format: String) throws -> String {
      var writer = SafetensorsWriter(metadata: ["format": format])
      for (name, tensor) in [("poles", poles), ("residues", residues), ("direct", direct)] {
        writer.add("k." + name, tensor)
      }
      try writer.write(to: folder("r.safetensors"))
      return sentence(in: folder) { _ = try RecurrenceFile.read(folder("r.safetensors")) }
    }
    let (two, one) = (Tensor(zeros: [1, 2, 2]), Tensor(zeros: [1]))
    #expect(try refusal(two, two, one, format: RecurrenceFile.format) == "no error")
    #expect(try refusal(two, two, one, format: "pt").contains("metadata"))
    #expect(
      try refusal(two, Tensor(zeros: [1, 3, 2]), one, format: RecurrenceFile.format).contains("residues"))
    #expect(try refusal(two, two, Tensor(zeros: [2]), format: RecurrenceFile.format).contains("direct"))
    #expect(try refusal(Tensor(zeros: [1, 4]), two, one, format: RecurrenceFile.format).contains("poles"))
    let outside = Tensor([0.1, 0, 0.9, 0.5], [1, 2, 2])
    #expect(
      try refusal(outside, two, one, format: RecurrenceFile.format).contains("channel 0, pole 1"))
  }
}
