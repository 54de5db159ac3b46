import CanonicalJSON
import DaybookClient
import Refusals
import Synchronization

/// What came of everything that was sent. Safe to use from any task.
final class Tally: Sendable {
  /// A refusal that the story doesn't tell of.
  struct Surprise: Sendable {
    let method: String
    let message: String
  }

  /// What there is to say of all, or of one platform.
  struct Counts: Sendable {
    /// Commands, those inside batches counted one by one.
    var commands = 0
    /// Of them, those that the server knew already.
    var replayed = 0
    /// Of them, those that found nothing to change: the server keeps no answer of these, and decides them again.
    var unchanged = 0
    /// Events that the answers tell of, without those of replayed commands.
    var events = 0
    /// Refusals that belong to the story.
    var planned = 0
  }

  private struct State {
    var platforms: [String: Counts] = [:]
    var made: [String: Int] = [:]
    var surprises: [Surprise] = []
    var refused = 0
    var shownOnceBefore = 0
  }

  /// How many refusals are kept to be shown.
  static let keptSurprises = 20

  private let state = Mutex(State())

  /// Notes the answer to a command, or to a batch of so many.
  func note(_ answer: JSON, of method: String, commands: Int, platform: String) {
    let results = answer["results"]?.arrayValue ?? [answer]
    let isReplay = answer["replayed"] == true
    state.withLock { state in
      var counts = state.platforms[platform] ?? Counts()
      counts.commands += commands
      if isReplay {
        counts.replayed += commands
      } else if results.allSatisfy({ ($0["events"]?.arrayValue ?? []).isEmpty }) {
        counts.unchanged += commands
      }
      for result in results {
        for event in result["events"]?.arrayValue ?? [] {
          if !isReplay { counts.events += 1 }
          state.made[event["event"]?.stringValue ?? "", default: 0] += 1
        }
      }
      state.platforms[platform] = counts
    }
  }

  /// Notes a refusal that the story tells of.
  func notePlanned(platform: String) {
    state.withLock { $0.platforms[platform, default: Counts()].planned += 1 }
  }

  /// Notes what should not have happened.
  func note(surprise message: String, of method: String) {
    state.withLock { state in
      state.refused += 1
      if state.surprises.count < Tally.keptSurprises {
        state.surprises.append(Surprise(method: method, message: message))
      }
    }
  }

  /// Notes that something is not done again since it takes a secret that was shown only the first time.
  func noteShownBefore() {
    state.withLock { $0.shownOnceBefore += 1 }
  }

  var platforms: [String: Counts] { state.withLock { $0.platforms } }
  var surprises: [Surprise] { state.withLock { $0.surprises } }
  /// How many refusals there were that the story doesn't tell of.
  var refused: Int { state.withLock { $0.refused } }
  /// How many parts were left out because their secret was shown before.
  var shownOnceBefore: Int { state.withLock { $0.shownOnceBefore } }
  /// How often each event was told of, by replayed commands too.
  var made: [String: Int] { state.withLock { $0.made } }

  var total: Counts {
    state.withLock { state in
      state.platforms.values.reduce(into: Counts()) { total, counts in
        total.commands += counts.commands
        total.replayed += counts.replayed
        total.unchanged += counts.unchanged
        total.events += counts.events
        total.planned += counts.planned
      }
    }
  }
}

/// A sentence for a person about a refusal, with every fault that the server listed.
func sentence(_ error: any Error) -> String {
  guard let refusal = (error as? ClientError)?.refusal else { return "\(error)" }
  let problems = (refusal.data["problems"]?.arrayValue ?? []).map { problem in
    "\(problem["path"]?.stringValue ?? "") \(problem["problem"]?.stringValue ?? "")"
  }
  return "\(refusal.type): \(refusal.message)" + (problems.isEmpty ? "" : " (\(problems.joined(separator: "; ")))")
}
