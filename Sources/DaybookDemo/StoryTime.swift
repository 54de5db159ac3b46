import BasicTypes
import CanonicalJSON
import DaybookClient

/// The time of the story, where the server takes it from the one who tells it: all companies tell a chapter in the same
/// hours, so each waits for the others at its beginning.
actor StoryTime {
  private let client: DaybookClient
  private let setting: Setting
  private let companies: Int
  private var waiting: [CheckedContinuation<Void, any Error>] = []
  private var isGivenUp = false
  private var began: ContinuousClock.Instant?

  /// - Parameter companies: how many wait for each other.
  init(client: DaybookClient, setting: Setting, companies: Int) {
    self.client = client
    self.setting = setting
    self.companies = companies
  }

  /// Whether a server's time is told by who tells the story.
  static func isTold(by client: DaybookClient) async throws -> Bool {
    try await client.call("server.status")["clock"]?["standing"] == "told"
  }

  /// Waits until all companies have come to a chapter, by its number, and the clock to its hours.
  /// - Throws: `CancellationError` where another company gives up, `ClientError`.
  func begin(chapter: Int) async throws {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        guard !isGivenUp else { return continuation.resume(throwing: CancellationError()) }
        waiting.append(continuation)
        guard waiting.count == companies else { return }
        Task { await self.tell(chapter) }
      }
    } onCancel: {
      Task { await self.giveUp(CancellationError()) }
    }
  }

  /// Goes on with the clock of the machine: the story has ended.
  func end() async throws {
    _ = try await client.call("clock.tell")
  }

  private func tell(_ chapter: Int) async {
    let (from, to) = hours(of: chapter)
    // As long as the chapter before took.
    let now = ContinuousClock.now
    let pause = began.map { now - $0 } ?? .seconds(1)
    began = now
    let seconds = Double(pause.components.seconds) + Double(pause.components.attoseconds) / 1e18
    do {
      _ = try await client.call(
        "clock.tell", ["from": .time(from), "to": .time(to), "seconds": .number(min(seconds, 3600))])
      let all = waiting
      waiting = []
      for one in all { one.resume() }
    } catch {
      giveUp(error)
    }
  }

  private func giveUp(_ error: any Error) {
    isGivenUp = true
    let all = waiting
    waiting = []
    for one in all { one.resume(throwing: error) }
  }

  /// The hours in which a chapter is told: that of a day in its evening, when what it tells of has happened.
  private func hours(of chapter: Int) -> (from: Timestamp, to: Timestamp) {
    switch chapter {
    case 0: (setting.time(day: 0, hour: 7), setting.time(day: 0, hour: 9))
    case 1: (setting.time(day: 0, hour: 12.1), setting.time(day: 0, hour: 17))
    case setting.days + 2: (setting.time(day: setting.days - 1, hour: 23.5), setting.end)
    default: (setting.time(day: chapter - 2, hour: 19), setting.time(day: chapter - 2, hour: 23.5))
    }
  }
}
