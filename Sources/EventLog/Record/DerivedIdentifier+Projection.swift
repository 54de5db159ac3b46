import BasicTypes

extension DerivedIdentifier {
  /// Where the command `projection.skip` keeps its decisions about a read model, and the projector looks for them.
  package static func projection(_ name: String) -> DerivedIdentifier {
    DerivedIdentifier(
      name: "daybook:projection:\(name)", type: "projection", organization: nil,
      former: .version5(namespace: .urlNamespace, name: "daybook:projection:\(name)"))
  }
}
