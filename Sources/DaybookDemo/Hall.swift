import DaybookClient

/// Where everybody meets: the server, the story's setting, and the books that are kept of both.
struct Hall: Sendable {
  let endpoint: Endpoint
  let setting: Setting
  let tally: Tally
  let progress: Progress
  /// The story's time, where the server asks for it.
  let time: StoryTime?

  /// A connection of its own.
  /// - Throws: `ClientError`.
  func connect() async throws -> DaybookClient {
    try await DaybookClient.connect(to: endpoint)
  }
}
