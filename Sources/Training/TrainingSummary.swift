/// What a run says of itself: after every step, and at its end.

import RunnelKernels

/// The state of a run after a step, for display.
public struct TrainingProgress: Sendable {
  /// Steps done, and tokens trained on.
  public let step, tokens: Int
  /// A running mean of the training loss, nats per token.
  public let loss: Double
  /// Of the newest validation, in nats per token; nil before the first.
  public let validationLoss: Double?
  /// The share of right answers, where the corpus is of a task.
  public let validationAccuracy: Double?
  /// The rate of the last step.
  public let learningRate: Double
  /// Tokens trained on per second, since this session began.
  public let tokensPerSecond: Double
  /// The share of the budget that is spent.
  public let progress: Double
  /// Seconds until the budget is spent at this pace.
  public let secondsLeft: Double
  /// Of the averaged weights, in the newest validation.
  public let averageValidationLoss: Double?
  /// Steps that the guard against spikes has left out.
  public let skippedSteps: Int
  /// The share of a validation that is done; nil while training.
  public var validated: Double?
}

/// What a run ends with; keys in `--json` are these in snake_case.
public struct TrainingSummary: Codable, Sendable {
  /// Steps done and tokens trained on, of all sessions of the run.
  public var steps, tokens: Int
  /// Seconds of training, of all sessions of the run.
  public var seconds: Double
  /// Tokens trained on in this session by the seconds of training in it.
  public var tokensPerSecond: Double
  /// The running mean at the end, nats per token.
  public var loss: Double?
  /// Over the validation split or a sample of it, chunkwise, in nats per token; of a mixture, the mean by the corpora's
  /// weights.
  public var validationLoss: Double?
  /// The tokens that were looked at, spread evenly over the split, and those of the split.
  public var validationTokens, validationSplitTokens: Int?
  /// The validation loss by bytes of text; nil where nothing says what bytes a token stands for.
  public var bitsPerByte: Double?
  /// Where the corpus is of a task: the share of its answers that were right, and of documents without a wrong one.
  public var validationAccuracy, validationDocumentAccuracy: Double?
  /// Of the averaged weights, over the same tokens.
  public var averageValidationLoss, averageBitsPerByte: Double?
  /// Where the run keeps an average: whether it was better, so that the folder's model is that.
  public var servesAverage: Bool?
  /// Of the validations on the way, where they are compared, the step of the best.
  public var bestStep: Int?
  /// Its loss, of the last weights or of their average.
  public var bestValidationLoss: Double?
  /// Whether the run ended because its validations were no better.
  public var isOutOfPatience: Bool
  /// The share of the steps' time in this session that the optimiser took to move the parameters.
  public var optimizerShare: Double
  /// Steps that the guard against spikes has left out, of all sessions of the run.
  public var skippedSteps: Int
  /// Over a few tokens of the validation split, in nats per token: token by token, and chunkwise for comparison.
  public var validationStepLoss, validationMixLoss: Double?
  /// Where there are several corpora: the validation of each.
  public var validation: [CorpusValidation]?
  /// The most memory that the process had.
  public var peakResidentBytes = Machine.peakResidentBytes
  /// Whether a signal ended the training, or the last validation; the figures that it would have given are missing then.
  public var wasInterrupted: Bool

  enum CodingKeys: String, CodingKey {
    case steps, tokens, seconds, loss, validation
    case tokensPerSecond = "tokens_per_second"
    case validationLoss = "validation_loss"
    case bitsPerByte = "bits_per_byte"
    case validationTokens = "validation_tokens"
    case validationSplitTokens = "validation_split_tokens"
    case validationAccuracy = "validation_accuracy"
    case validationDocumentAccuracy = "validation_document_accuracy"
    case averageValidationLoss = "average_validation_loss"
    case averageBitsPerByte = "average_bits_per_byte"
    case servesAverage = "serves_average"
    case bestStep = "best_step"
    case bestValidationLoss = "best_validation_loss"
    case isOutOfPatience = "out_of_patience"
    case optimizerShare = "optimizer_share"
    case skippedSteps = "skipped_steps"
    case validationStepLoss = "validation_step_loss"
    case validationMixLoss = "validation_mix_loss"
    case peakResidentBytes = "peak_rss_bytes"
    case wasInterrupted = "interrupted"
  }
}

extension TrainingSummary {
  /// Of a run as it is, before its last validation.
  init(_ trainer: Trainer, _ session: TrainingSession, loss: Double?, wasInterrupted: Bool) {
    self.init(
      steps: trainer.steps, tokens: trainer.tokens, seconds: trainer.seconds,
      tokensPerSecond: session.tokensPerSecond(trainer), loss: loss,
      isOutOfPatience: trainer.isOutOfPatience, optimizerShare: session.optimizerShare,
      skippedSteps: trainer.tally.skippedSteps, wasInterrupted: wasInterrupted)
  }
}

/// What is counted from the beginning of a session of a run to its end.
struct TrainingSession {
  private let firstTokens: Int
  private let firstSeconds: Double
  private var stepping = 0.0, updating = 0.0
  /// Kinds of trouble that have been told.
  private var complaints: Set<String> = []

  init(_ trainer: Trainer) { (firstTokens, firstSeconds) = (trainer.tokens, trainer.seconds) }

  /// Accounts for a step.
  mutating func add(_ step: StepReport, seconds: Double) {
    stepping += seconds
    updating += step.secondsUpdating
  }

  var optimizerShare: Double { updating / max(1e-9, stepping) }

  func tokensPerSecond(_ trainer: Trainer) -> Double {
    Double(trainer.tokens - firstTokens) / max(1e-9, trainer.seconds - firstSeconds)
  }

  /// Tells of a trouble once, and again if it comes back; nil where there is none of the kind.
  mutating func complain(_ kind: String, _ text: String?, _ note: (String) -> Void) {
    guard let text else {
      complaints.remove(kind)
      return
    }
    if complaints.insert(kind).inserted { note(text) }
  }
}

extension Duration {
  package var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
