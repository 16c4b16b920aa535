//! Texts, written for this demo.

pub const POEM: &str = "\
The Maker's Mark

The potter turns the bowl about
and signs it where it meets the floor,
a thumb of clay, a line, no doubt
that other hands will want it more.

The weaver hides a crooked thread
in every cloth she sends away;
the buyers praise the blue, the red,
the thread says: this was mine one day.

The singer cannot sign the air,
the verse goes out and is not penned;
it learns new words, it lives elsewhere,
a stranger hums it to its end.

So count the ridges of the tone,
the grain of light, the weight of line:
not so that I may own alone,
but so that you may say: was thine.
";

pub const NOTES: &str = "\
# Field Notes from a Lighthouse

## Monday

The lamp turned all night. I wrote down every ship that passed, as I have done for eleven years, and nobody has asked
for the list.

## Wednesday

A boy came over with the mail boat and asked what the list was for.

> \"So that they can be told apart,\" I said.
> \"But they are all gone by morning.\"
> \"That is why.\"

He counted the columns: *hour, course, lights, sound of the engine*. He liked the last one best.

## Friday

Fog. I could not see a single hull, and still wrote seven lines. An engine is as good as a name, if one has listened
long enough:

1. the ferry, which coughs at the turn of the tide,
2. the collier, two notes, a fourth apart,
3. something new, with a beat like a clock in another room.

## Sunday

A letter, the first about the list. A captain has lost his papers and asks whether anyone can say that he was here on
the night of the third.

I looked it up. **Two notes, a fourth apart, at ten past four.** I signed the page, and sent it over with the boy.
";
