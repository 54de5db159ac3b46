import BasicTypes

extension Field {
  /// How texts are compared that are the same although they aren't written alike.
  public enum Comparison: Sendable, Equatable {
    /// Without regard to case and form.
    case folded
    /// Without regard to form.
    case composed

    /// A text as it is compared.
    public func form(of text: String) -> String {
      switch self {
      case .folded: UnicodeForm.folded(text)
      case .composed: UnicodeForm.composed(text)
      }
    }

    /// What a read model keeps beside a text, in the column ``Field/foldedColumn``: its form where SQL can't make that
    /// the same on every server; nil for most texts. Where it is NULL, the form is the text, for ``folded`` with A to Z
    /// in lower case.
    public func stored(of text: String) -> String? {
      switch self {
      case .folded: return UnicodeForm.beyondASCII(text)
      case .composed:
        let form = UnicodeForm.composed(text)
        return form.utf8.elementsEqual(text.utf8) ? nil : form
      }
    }

    /// A column's form in SQL; every use of it, an index too, is written so.
    public func sql(_ column: String, folded: String) -> String {
      switch self {
      case .folded: "coalesce(\(folded), lower(\(column) COLLATE \"C\"))"
      case .composed: "coalesce(\(folded), \(column))"
      }
    }
  }

  /// The column of the read model that holds the form in which its texts are compared; nil where that is as they stand.
  public var foldedColumn: String? { comparison == nil ? nil : "\(name)_folded" }
}
