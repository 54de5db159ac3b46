extension JSON {
  /// A position or a count of the log: an integer, of any size.
  package init(position: UInt64) {
    self = Int64(exactly: position).map(JSON.integer) ?? .bigInteger(String(position))
  }
}
