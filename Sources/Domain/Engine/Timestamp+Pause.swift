import BasicTypes

extension Timestamp {
  /// Whether a pause of so many seconds since a moment isn't over yet.
  ///
  /// A moment that lies ahead, by more than the pause and than clocks differ, is one that a wrong clock gave: nothing
  /// waits for it.
  func isWithin(_ seconds: Int64, of moment: Timestamp) -> Bool {
    self < moment.adding(seconds: seconds) && self > moment.adding(seconds: -max(seconds, 300))
  }
}
