import Foundation
import Runnel
import Testing

extension ToolTests {
  @Suite("The README") struct Readme {
    /// The repository.
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let readme: String
    let place: Workplace

    init() throws {
      readme = try String(contentsOf: Self.root.appendingPathComponent("README.md"), encoding: .utf8)
      place = try Workplace()
    }

    /// The commands as they stand but with a budget of steps for one of minutes. A plain block that follows
    /// one of commands at once is what the last of them prints, up to a line of dots.
    @Test func `every command works and prints what is shown`() throws {
      try place.write(
        String(repeating: "Once upon a time there was a mill by a river.\n", count: 900).utf8, to: "book.txt")
      try place.makeForeignModel("folder")
      var count = 0, shown = 0
      let parts = readme.components(separatedBy: "```")
      for (i, part) in parts.enumerated() where i % 2 == 1 && part.hasPrefix("sh\n") {
        var output = ""
        for line in part.dropFirst(3).split(separator: "\n").map(String.init) {
          if line.hasPrefix("tools/") {
            #expect(FileManager.default.isExecutableFile(atPath: Self.root.path + "/" + line), "\(line)")
            continue
          }
          let command = line.replacingOccurrences(
            of: #"--minutes \d+"#, with: "--steps 3", options: .regularExpression)
          let outcome = try place.shell(command)
          #expect(outcome.code == 0, "\(line): \(outcome.errors)")
          #expect(!outcome.output.isEmpty, "\(line) prints nothing")
          output = outcome.text
          count += 1
        }
        guard i + 2 < parts.count, parts[i + 2].hasPrefix("\n"),
          parts[i + 1].allSatisfy(\.isWhitespace)
        else { continue }
        expectSame(output, parts[i + 2])
        shown += 1
      }
      #expect(count >= 10 && shown >= 2)
    }

    /// Word by word. Numbers with an exponent are rounding errors, which are another machine's own.
    private func expectSame(_ output: String, _ shown: String) {
      var words = [output, shown].map { text in
        text.split(whereSeparator: \.isWhitespace).map { String($0) }
      }
      if words[1].last == "..." {
        words[1].removeLast()
        words[0] = Array(words[0].prefix(words[1].count))
      }
      #expect(words[0].count == words[1].count && !words[1].isEmpty, "\(output)")
      for (word, expected) in zip(words[0], words[1]) where word != expected {
        guard let number = Double(word), let other = Double(expected) else {
          Issue.record("\(word) for \(expected) in:\n\(output)")
          continue
        }
        #expect(
          expected.contains("e") || abs(number - other) <= 1e-9 * abs(other), "\(word) for \(expected)")
      }
    }

    private struct Entry: Decodable {
      let name, paper, recurrence, state, cost, parallel_form: String
      let state_bytes_at_width_256: Int
      let foreign_families: [String]

      /// The entry as a row of the README's table.
      var row: String {
        let bytes = state_bytes_at_width_256.formatted(.number.locale(Locale(identifier: "en_US")))
        let cells = [
          "`\(name)`", paper, recurrence, "\(state); \(bytes) bytes", cost, parallel_form,
          foreign_families.isEmpty ? "—" : foreign_families.joined(separator: ", "),
        ]
        return "| "
          + cells.map { $0.replacingOccurrences(of: "|", with: "\\|") }.joined(separator: " | ") + " |"
      }
    }

    @Test func `the version is the library's, and the newest in the list of changes`() throws {
      #expect(try place.run("--version").succeeded().text == runnelVersion + "\n")
      let changes = try String(contentsOf: Self.root.appendingPathComponent("CHANGELOG.md"), encoding: .utf8)
      let newest = changes.split(separator: "\n").first { $0.hasPrefix("## ") }
      #expect(newest?.hasPrefix("## \(runnelVersion),") == true)
    }

    @Test func `the table of mixers is what the tool prints`() throws {
      let list = try place.run("info", "--mixers", "--json").succeeded()
      let expected = try JSONDecoder().decode([Entry].self, from: Data(list.output)).map(\.row)
      let lines = readme.split(separator: "\n").map(String.init)
      let heading = try #require(lines.firstIndex { $0.hasPrefix("| name | paper | recurrence | state") })
      #expect(lines[heading + 1] == "|---|---|---|---|---|---|---|")
      let rows = Array(lines[(heading + 2)...].prefix { $0.hasPrefix("|") })
      #expect(rows == expected, "README.md should have:\n\(expected.joined(separator: "\n"))")
    }
  }
}

extension Workplace {
  /// A folder as transformers writes it, of a small Mamba over bytes.
  func makeForeignModel(_ name: String) throws {
    let (V, D, E, N, R, W) = (256, 16, 32, 4, 1, 4)
    let layers = 2
    let configuration = """
      {
        "model_type": "mamba", "vocab_size": \(V), "hidden_size": \(D), "intermediate_size": \(E),
        "state_size": \(N), "time_step_rank": \(R), "conv_kernel": \(W), "num_hidden_layers": \(layers),
        "use_bias": false, "use_conv_bias": true, "layer_norm_epsilon": 1e-05, "hidden_act": "silu",
        "tie_word_embeddings": true
      }
      """
    try FileManager.default.createDirectory(atPath: self(name), withIntermediateDirectories: true)
    try write(configuration.utf8, to: name + "/config.json")
    var generator = SeededGenerator(seed: 1)
    var writer = SafetensorsWriter(metadata: ["format": "pt"])
    func add(_ name: String, _ shape: Shape) {
      writer.add(name, .normal(shape, deviation: 0.3, using: &generator), as: .float32)
    }
    add("backbone.embeddings.weight", [V, D])
    add("backbone.norm_f.weight", [D])
    for layer in 0..<layers {
      let prefix = "backbone.layers.\(layer)."
      add(prefix + "norm.weight", [D])
      add(prefix + "mixer.in_proj.weight", [2 * E, D])
      add(prefix + "mixer.conv1d.weight", [E, 1, W])
      add(prefix + "mixer.conv1d.bias", [E])
      add(prefix + "mixer.x_proj.weight", [R + 2 * N, E])
      add(prefix + "mixer.dt_proj.weight", [E, R])
      add(prefix + "mixer.dt_proj.bias", [E])
      add(prefix + "mixer.A_log", [E, N])
      add(prefix + "mixer.D", [E])
      add(prefix + "mixer.out_proj.weight", [D, E])
    }
    try writer.write(to: self(name) + "/model.safetensors")
  }
}
