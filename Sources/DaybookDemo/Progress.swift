import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// How far the month has come, on standard error: a bar that is written over on a
/// terminal, a line every few seconds elsewhere.
final class Progress: Sendable {
  private struct State {
    var done = 0
    var shownAt: Double
    var isBarShown = false
  }

  private let total: Int
  private let isSilent: Bool
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let startedAt = Progress.seconds
  private let state: Mutex<State>

  /// - Parameter total: how many chapters there are.
  init(total: Int, isSilent: Bool) {
    self.total = total
    self.isSilent = isSilent
    state = Mutex(State(shownAt: Progress.seconds))
  }

  /// A chapter is done.
  func advance(_ tally: Tally) {
    let now = Progress.seconds
    let shown: Int? = state.withLock { state in
      state.done += 1
      let isDue = now - state.shownAt >= (isTerminal ? 0.1 : 3) || state.done == total
      guard isDue, !isSilent else { return nil }
      state.shownAt = now
      state.isBarShown = true
      return state.done
    }
    guard let shown else { return }
    let commands = tally.total.commands
    let filled = shown * 28 / max(1, total)
    let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: 28 - filled)
    let rate = Double(commands) / max(0.001, now - startedAt)
    let line =
      "a month of five platforms [\(bar)] \(shown * 100 / max(1, total))%  \(grouped(commands)) commands  \(grouped(Int(rate)))/s"
    write(isTerminal ? "\r\u{1B}[K" + line : line + "\n")
  }

  /// Takes the bar away, so that what follows starts on a clean line.
  func end() {
    let isShown = state.withLock { state in
      defer { state.isBarShown = false }
      return state.isBarShown
    }
    if isShown, isTerminal { write("\r\u{1B}[K") }
  }

  /// Seconds since the story began.
  var elapsed: Double { Progress.seconds - startedAt }

  private func write(_ text: String) {
    complain(text, terminator: "")
  }

  private static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1_000_000_000
  }
}

/// A number as people read it: `12,345`.
func grouped(_ number: Int) -> String {
  var text = ""
  for (index, digit) in String(abs(number)).reversed().enumerated() {
    if index > 0, index % 3 == 0 { text.append(",") }
    text.append(digit)
  }
  return (number < 0 ? "-" : "") + String(text.reversed())
}

/// Writes to standard error, whole.
func complain(_ text: String, terminator: String = "\n") {
  put(text + terminator, STDERR_FILENO)
}

/// Writes a line to standard output, whole.
func say(_ line: String) {
  put(line + "\n", STDOUT_FILENO)
}

private func put(_ text: String, _ descriptor: Int32) {
  var rest = Array(text.utf8)[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count < 0, errno == EINTR { continue }
    // A closed stream: there is nobody left to tell.
    guard count > 0 else { return }
    rest = rest.dropFirst(count)
  }
}
