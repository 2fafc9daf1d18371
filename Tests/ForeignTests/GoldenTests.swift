import Foundation
import RunnelCheckpoints
import RunnelModels
import RunnelRecurrences
import RunnelTensors
import Testing

@Suite("a foreign model gives its authors' logits")
struct GoldenTests {
  @Test("all forms, at sampled places", arguments: GoldenCase.all.map(\.name))
  func logits(name: String) throws {
    let golden = try #require(GoldenCase.all.first { $0.name == name })
    try withFolder { folder in
      try golden.write(to: folder)
      func check<M: Model>(_ model: M) {
        let ids = golden.ids
        for form in Form.allCases {
          var state = model.initialState(batch: golden.batch)
          let logits = model.logits(ids, batch: golden.batch, form: form, state: &state)
          let V = model.vocabularySize
          var difference = 0.0, size = 0.0
          for sample in golden.samples {
            let at = (sample.row * golden.tokens + sample.token) * V + sample.index
            difference += pow(Double(logits[at]) - sample.value, 2)
            size += pow(sample.value, 2)
          }
          let error = (difference / size).squareRoot()
          #expect(error <= 1e-4, "\(name), \(form): \(error)")
          let norm = logits.sumOfSquares.squareRoot()
          #expect(abs(norm - golden.norm) <= 1e-4 * golden.norm, "\(name), \(form): norm \(norm)")
        }
      }
      try check(ModelFolder.load(folder))
    }
  }

  @Test("every family has its cases", arguments: ForeignFamily.all.map(\.modelType))
  func families(modelType: String) {
    #expect(GoldenCase.all.contains { $0.modelType == modelType })
  }
}
