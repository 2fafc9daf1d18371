/// One model in its forms, below the level of text.

import Runnel

/// - Returns: whether a stream that is read chunkwise goes on token by token where one read token by token would.
func changeForm() throws -> Bool {
  let configuration = ModelConfiguration(Mamba.self, vocabularySize: 256, width: 64, layers: 2)
  let model = try LanguageModel(configuration, seed: 1)
  var session = Session(model, sampler: Sampler(seed: 1))
  try session.feed(ByteTokenizer().encode("Once upon a time"))
  var fork = session  // a stream is a value: this forks it
  for _ in 0..<20 { guard try session.next() == fork.next() else { return false } }

  var state = model.initialState(batch: 2)
  let logits = model.logits([72, 105, 33, 10], batch: 2, form: .mix, state: &state)  // [2 2 256]
  let next = model.logits([33, 10], batch: 2, form: .step, state: &state)  // [2 1 256]

  var other = model.initialState(batch: 2)
  _ = model.logits([72, 105, 33, 10], batch: 2, form: .step, state: &other)
  let expected = model.logits([33, 10], batch: 2, form: .mix, state: &other)
  let error = zip(next.scalars, expected.scalars).map { abs($0 - $1) }.max() ?? 1
  return logits.shape == [2, 2, 256] && error < 1e-4
}
