/** What stands in the box of the page Send. Kept while the app is open, so that the way back from the review finds what was typed. */

class Draft {
  text = $state('');
}

export const draft = new Draft();
