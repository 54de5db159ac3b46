import BasicTypes

extension Identifier {
  /// Who counts as the maker of what the local administrator and the server create.
  package static let systemUser = Identifier(high: 0x0000_0000_0000_7000, low: 0x8000_0000_0000_0001)
}
