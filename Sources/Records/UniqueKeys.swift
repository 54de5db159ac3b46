import BasicTypes

/// The keys of a unique constraint's values in the log's index: hashes under the vault's look-up key.
package struct UniqueKeys: Sendable, Equatable {
  /// Of the values as they are written, but for case where the constraint passes over it. It never changes: a log holds
  /// it from whenever the value was given.
  package let exact: [UInt8]
  /// Of the values as Unicode folds them, where that is another: `e` with an accent behind it, `ß`. Nil for most.
  package let form: [UInt8]?

  /// All keys under which a resource has to be found. That of a form has the id behind it: a log may hold several
  /// resources that differ by form alone, recorded before that was refused.
  package func all(for id: Identifier) -> [[UInt8]] { form.map { [exact, $0 + id.bytes] } ?? [exact] }
}
