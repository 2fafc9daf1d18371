/// Runnel: streaming sequence modelling. This module re-exports the library.

@_exported import RunnelCheckpoints
@_exported import RunnelCorpora
@_exported import RunnelFiles
@_exported import RunnelKernels
@_exported import RunnelMixers
@_exported import RunnelModels
@_exported import RunnelRecurrences
@_exported import RunnelStreaming
@_exported import RunnelSynthesis
@_exported import RunnelTensors
@_exported import RunnelText
@_exported import RunnelTraining

/// The library's version, the newest of `CHANGELOG.md`.
public let runnelVersion = "0.1.0"
