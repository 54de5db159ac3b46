import BasicTypes

/// What a query has shown to its caller that is itself to be recorded: an event says so later, coalesced.
package enum ReadNote: Sendable {
  /// What personal values were read for, as events name it: the group of methods.
  package enum Purpose: String, Sendable, CaseIterable {
    /// One resource, by `get`.
    case profile
    /// Many, by `list`.
    case list
    /// What somebody's values were before: `history`, `diff`, `get` and `list` with `as_of`.
    case history
    /// Values before and after, by `audit.search`.
    case audit
    /// Everything that is held, by `subject.report`.
    case subjectReport = "subject_report"
    /// Who somebody is, by `subject.find`.
    case subjectFind = "subject_find"
  }

  /// Personal values of these persons were shown; nobody is there twice.
  case persons([Identifier], Purpose)
  /// Records of the whole log were given out, of whatever resource: so many, between two positions.
  case log(records: Int, first: UInt64, last: UInt64)
}
