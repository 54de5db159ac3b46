extension RawSpan {
  /// A copy of the bytes, for keeping.
  package var copy: [UInt8] { withUnsafeBytes { [UInt8]($0) } }

  /// Whether the bytes are these.
  package func elementsEqual(_ other: [UInt8]) -> Bool {
    byteCount == other.count && starts(with: other)
  }

  /// Whether the bytes begin with these.
  package func starts(with prefix: [UInt8]) -> Bool {
    withUnsafeBytes { $0.starts(with: prefix) }
  }
}
