/// Trains, streams and adds an architecture, all in one new folder: `swift run Examples FOLDER`.

import Foundation
import Runnel

let arguments = CommandLine.arguments.dropFirst()
guard let folder = arguments.first, arguments.count == 1 else {
  print("usage: Examples FOLDER")
  exit(64)
}
try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)

let sentences = ["The fox ran past the mill.", "The river was old and small.", "The fox slept by the river."]
let text = folder + "/text.txt"
try (0..<300).map { sentences[$0 * $0 % 3] + "\n" }.joined().write(
  toFile: text, atomically: true, encoding: .utf8)

print("== train")
let first = try trainModel(on: text, mixer: "mingru", steps: 30, into: folder + "/model")
let further = try trainFurther(in: folder + "/model")
print("\(first.validationLoss ?? 0) nats per token, then \(further.validationLoss ?? 0)")

print("== stream")
let (_, end) = try streamText(from: folder + "/model", prompt: "The fox ")
print("\nended by \(end?.rawValue ?? "nothing")")
print("a saved stream goes on: \(try forkAndReturn(from: folder + "/model", folder: folder))")
print("the forms are one function: \(try changeForm())")

print("== an architecture of one's own")
try registerOwnParts()
let own = try trainModel(on: text, mixer: "leaky-average", steps: 30, into: folder + "/own")
let ownFurther = try trainFurther(in: folder + "/own")
print("\(own.validationLoss ?? 0) nats per token, then \(ownFurther.validationLoss ?? 0)")
let (_, ownEnd) = try streamText(from: folder + "/own", prompt: "The fox ")
print("\nended by \(ownEnd?.rawValue ?? "nothing")")
print("a saved stream of it goes on: \(try forkAndReturn(from: folder + "/own", folder: folder))")
print("laws that it breaks: \(try brokenLaws(of: folder + "/own"))")
print("its parts with another mixer: \(try combine(in: folder + "/combined"))")
