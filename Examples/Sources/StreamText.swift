/// Continues a text with a model, character by character.

import Runnel

/// - Parameter model: a model folder, own or foreign.
/// - Returns: the continuation, and why it ended.
func streamText(from model: String, prompt: String) throws -> (text: String, end: Continuation.End?) {
  // The model of a folder, with its tokenizer and the tokens that begin and end its texts.
  var sampling = SamplingSettings()
  sampling.temperature = 0.8
  var text = try TextSession(opening: model, sampling: sampling, seed: 1)
  try text.read(prompt.utf8)

  // Whole characters as they come, until there are enough tokens or a line ends; then what was held back.
  var answer: [UInt8] = []
  func show(_ bytes: [UInt8]) {
    answer += bytes
    print(String(decoding: bytes, as: UTF8.self), terminator: "")
  }
  text.start(TextLimits(stops: ["\n"], maximumTokens: 80))
  while let bytes = try text.next() { show(bytes) }
  show(text.finish())
  return (String(decoding: answer, as: UTF8.self), text.end)
}

/// What follows from streams being values.
func forkAndReturn(from model: String, folder: String) throws -> Bool {
  var text = try TextSession(opening: model, seed: 1)
  try text.read("The river ".utf8)

  // A copy is a fork, at the cost of the state: it does not grow with the text.
  var fork = text
  fork.stream.sampler.reseed(2)
  print("a fork is \(fork.stream.state.byteCount) bytes after \(fork.stream.position) tokens")

  // A saved stream goes on bit for bit, in another process too, with the bytes that it held back.
  try text.save(to: folder + "/stream.safetensors")
  let (session, pending) = try StateFile.load(folder + "/stream.safetensors", into: text.stream.model)
  var again = TextSession(session, tokenizer: text.tokenizer, marks: text.marks, pending: pending)
  let limits = TextLimits(maximumTokens: 20)
  text.start(limits)
  again.start(limits)
  while let bytes = try text.next() {
    if try again.next() != bytes { return false }
  }
  return text.finish() == again.finish()
}
