#if canImport(Glibc)
  import Glibc
#endif

/// How far something has come, on standard error: one line that is written over on a terminal, a line now and then
/// elsewhere.
struct ProgressBar {
  private let title: String
  private var shown = ""
  private var lastShown: Int64
  private let isSilent: Bool

  init(_ title: String, isSilent: Bool = false) {
    self.title = title
    self.isSilent = isSilent
    // What is over in a moment needs no bar.
    lastShown = Self.milliseconds
  }

  /// Shows how many are done, of how many where that is known.
  mutating func show(_ done: UInt64, of total: UInt64?, _ label: String = "") {
    guard !isSilent else { return }
    let now = Self.milliseconds
    let isEnd = total.map { done >= $0 } ?? false
    guard (isEnd && !shown.isEmpty) || now - lastShown >= (Terminal.showsProgress ? 100 : 5000) else { return }
    lastShown = now
    var line = label.isEmpty ? title : "\(title) \(label)"
    if let total, total > 0 {
      let filled = Int(min(done, total) * 24 / total)
      line +=
        " [\(String(repeating: "#", count: filled))\(String(repeating: "-", count: 24 - filled))] \(done)/\(total)"
    } else {
      line += " \(done)"
    }
    // A line that wraps couldn't be written over.
    if let width = Terminal.errorWidth { line = Terminal.fitted(line, to: width - 1) }
    guard line != shown else { return }
    shown = line
    if Terminal.showsProgress {
      Terminal.overwrite(line)
    } else {
      Terminal.complain(line)
    }
  }

  /// Takes the line away, so that what follows starts on a clean one.
  mutating func end() {
    guard !isSilent, !shown.isEmpty, Terminal.showsProgress else { return }
    Terminal.overwrite("")
    shown = ""
  }

  private static var milliseconds: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }
}
