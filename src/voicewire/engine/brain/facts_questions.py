"""Single questions that the demo brain knows. Our own wording; plain data."""

from __future__ import annotations

from typing import Final

QUESTIONS: Final[tuple[tuple[str, str], ...]] = (
    (
        r"(?:what|which) is (?:the )?(?:largest|biggest) planet(?: in (?:the|our) solar system)?",
        "Jupiter is the largest planet in the solar system.",
    ),
    (
        r"(?:what|which) is (?:the )?smallest planet(?: in (?:the|our) solar system)?",
        "Mercury is the smallest planet in the solar system.",
    ),
    (
        (
            r"(?:what|which)(?: is the)? planet (?:is )?(?:the )?(?:closest|nearest) to the sun|(?:what|"
            r"which) is the (?:closest|nearest) planet to the sun"
        ),
        "Mercury is the planet closest to the sun.",
    ),
    (
        r"(?:what|which) planet is (?:known as |called )?the red planet|what is the red planet",
        "Mars is called the red planet.",
    ),
    (
        r"(?:what|which) planet do we live on|what is the name of our planet",
        "We live on the planet Earth.",
    ),
    (
        r"(?:what|which) planet has rings",
        "Saturn has the brightest rings, and the other giant planets have faint ones.",
    ),
    (
        r"(?:what|which) is the (?:tallest|highest) mountain(?: (?:in|on) (?:the world|earth))?",
        "Mount Everest is the highest mountain above sea level.",
    ),
    (
        r"(?:what|which) is the longest river(?: in the world)?",
        "The Nile is usually called the longest river, with the Amazon close behind.",
    ),
    (
        r"(?:what|which) is the (?:largest|biggest) ocean(?: in the world| on earth)?",
        "The Pacific is the largest ocean.",
    ),
    (
        r"(?:what|which) is the (?:largest|biggest) country(?: in the world)?",
        "Russia is the largest country by area.",
    ),
    (
        r"(?:what|which) is the smallest country(?: in the world)?",
        "Vatican City is the smallest country.",
    ),
    (
        r"(?:what|which) is the (?:largest|biggest) continent",
        "Asia is the largest continent.",
    ),
    (
        r"(?:what|which) is the (?:largest|biggest) desert(?: in the world)?",
        "The largest hot desert is the Sahara; counting ice, it is Antarctica.",
    ),
    (
        r"(?:what|which) is the (?:largest|biggest) animal(?: in the world| on earth)?",
        "The blue whale is the largest animal.",
    ),
    (
        r"(?:what|which) is the (?:fastest) (?:land )?animal(?: in the world| on earth| on land)?",
        "The cheetah is the fastest animal on land.",
    ),
    (
        r"(?:what|which) is the tallest animal(?: in the world)?",
        "The giraffe is the tallest animal.",
    ),
    (
        (
            r"(?:at )?what (?:temperature|is the temperature) (?:does|at which) water boils?|when does "
            r"water boil|(?:what is )?(?:the )?boiling point of water|(?:at )?what temperature does "
            r"water boil(?: at)?"
        ),
        "At sea level water boils at 100 degrees Celsius, or 212 degrees Fahrenheit.",
    ),
    (
        (
            r"(?:at )?what temperature does water freeze(?: at)?|when does water freeze|(?:what is "
            r")?(?:the )?freezing point of water"
        ),
        "Water freezes at 0 degrees Celsius, or 32 degrees Fahrenheit.",
    ),
    (
        r"what is the speed of light|how fast is light|how fast does light travel",
        "Light travels at about 300,000 kilometers per second.",
    ),
    (
        r"what is the speed of sound|how fast is sound|how fast does sound travel",
        "Sound travels through air at about 340 meters per second.",
    ),
    (
        r"how far (?:away )?is the moon(?: from (?:the )?earth| away)?",
        "The moon is about 384,000 kilometers away.",
    ),
    (
        r"how far (?:away )?is the sun(?: from (?:the )?earth| away)?",
        "The sun is about 150 million kilometers away.",
    ),
    (
        r"how old is the (?:earth|world)",
        "The Earth is about four and a half billion years old.",
    ),
    (
        r"how old is the universe",
        "The universe is about fourteen billion years old.",
    ),
    (
        (
            r"how many people (?:are there |live )?(?:in the world|on earth)|what is the population of "
            r"the (?:world|earth)"
        ),
        "About eight billion people live on Earth.",
    ),
    (
        r"(?:why is the sky blue|what makes the sky blue)",
        "The sky is blue because air scatters blue light from the sun more than red light.",
    ),
    (
        r"what colou?r is the sky",
        "On a clear day the sky is blue.",
    ),
    (
        r"what colou?r is (?:the )?grass",
        "Grass is green.",
    ),
    (
        r"what colou?r is (?:an? |the )?(?:banana|lemon|sun|bananas)",
        "It's yellow.",
    ),
    (
        r"what colou?r (?:is|are) (?:an? |the )?(?:snow|milk)",
        "It's white.",
    ),
    (
        r"what colou?r is (?:an? )?(?:blood|tomato|strawberry|fire truck)",
        "It's red.",
    ),
    (
        r"what is the (?:chemical )?(?:formula|symbol) (?:of|for) water",
        "The formula of water is H, two, O.",
    ),
    (
        r"what is the (?:chemical )?symbol (?:of|for) gold",
        "The symbol for gold is A, U.",
    ),
    (
        r"what is the (?:chemical )?symbol (?:of|for) (?:iron)",
        "The symbol for iron is F, E.",
    ),
    (
        r"who wrote (?:romeo and juliet|hamlet|macbeth|othello|king lear|a midsummer night's dream)",
        "William Shakespeare wrote it.",
    ),
    (
        r"who wrote (?:pride and prejudice|emma|sense and sensibility)",
        "Jane Austen wrote it.",
    ),
    (
        (
            r"who wrote (?:oliver twist|a tale of two cities|great expectations|a christmas carol|david "
            r"copperfield)"
        ),
        "Charles Dickens wrote it.",
    ),
    (
        r"who wrote (?:the )?(?:harry potter)(?: books)?",
        "J. K. Rowling wrote the Harry Potter books.",
    ),
    (
        r"who wrote (?:the )?lord of the rings",
        "J. R. R. Tolkien wrote The Lord of the Rings.",
    ),
    (
        r"who (?:painted|made) (?:the )?mona lisa",
        "Leonardo da Vinci painted the Mona Lisa.",
    ),
    (
        r"who painted (?:the )?starry night",
        "Vincent van Gogh painted The Starry Night.",
    ),
    (
        r"who (?:invented|made|created) the (?:telephone|phone)",
        "Alexander Graham Bell received the first patent for the telephone.",
    ),
    (
        r"who invented the (?:light ?bulb)",
        "Thomas Edison made the first light bulb that sold well; several others worked on it too.",
    ),
    (
        r"who (?:invented|discovered) (?:penicillin)",
        "Alexander Fleming discovered penicillin.",
    ),
    (
        r"who (?:discovered|formulated|came up with) (?:gravity|the law of gravity)",
        "Isaac Newton described the law of gravity.",
    ),
    (
        r"who (?:came up with|developed|discovered|invented) (?:the theory of )?relativity",
        "Albert Einstein developed the theory of relativity.",
    ),
    (
        (
            r"who was the first (?:man|person|human|astronaut) (?:to walk )?on the moon|who (?:first "
            r")?walked on the moon(?: first)?"
        ),
        "Neil Armstrong was the first person to walk on the moon.",
    ),
    (
        (
            r"when (?:did|was) (?:the first |people first )?(?:man |people |humans? |we "
            r")?(?:land(?:ing)?|walk|set foot) on the moon|when was the (?:first )?moon landing|what "
            r"year was the moon landing"
        ),
        "The first moon landing was in July 1969.",
    ),
    (
        r"who was the first president of (?:the )?(?:united states|america|usa|us)(?: of america)?",
        "George Washington was the first president of the United States.",
    ),
    (
        r"when did (?:world war (?:two|2|ii)|the second world war) end",
        "The Second World War ended in 1945.",
    ),
    (
        r"when did (?:world war (?:one|1|i)|the first world war) (?:end)",
        "The First World War ended in 1918.",
    ),
    (
        r"where is (?:the )?(?:eiffel|eival|eifel|eyful) tower(?: located)?",
        "The Eiffel Tower is in Paris, in France.",
    ),
    (
        r"where is (?:the )?statue of liberty(?: located)?",
        "The Statue of Liberty is in New York.",
    ),
    (
        r"where is (?:the )?big ben(?: located)?",
        "Big Ben is in London.",
    ),
    (
        r"where is (?:the )?colosseum(?: located)?",
        "The Colosseum is in Rome.",
    ),
    (
        r"where is (?:the )?taj mahal(?: located)?",
        "The Taj Mahal is in Agra, in India.",
    ),
    (
        r"where (?:is|are) the (?:great )?pyramids?(?: of giza)?",
        "The great pyramids are at Giza, in Egypt.",
    ),
    (
        r"where is the great wall(?: of china)?",
        "The Great Wall is in the north of China.",
    ),
    (
        r"where is mount everest",
        "Mount Everest is on the border of Nepal and China.",
    ),
    (
        r"how tall is mount everest|how high is mount everest",
        "Mount Everest is 8,849 meters high.",
    ),
    (
        r"how tall is the eiffel tower|how high is the eiffel tower",
        "The Eiffel Tower is 330 meters high.",
    ),
    (
        r"what is the (?:currency|money) (?:of|in) japan",
        "The currency of Japan is the yen.",
    ),
    (
        r"what is the (?:currency|money) (?:of|in) (?:england|the uk|the united kingdom|britain)",
        "The currency is the pound.",
    ),
    (
        r"what is the (?:currency|money) (?:of|in) (?:germany|france|italy|spain|europe)",
        "The currency is the euro.",
    ),
    (
        r"what is the (?:currency|money) (?:of|in) (?:india)",
        "The currency of India is the rupee.",
    ),
    (
        r"what is the (?:currency|money) (?:of|in) (?:china)",
        "The currency of China is the yuan.",
    ),
    (
        r"what language do (?:they|people) speak in (?:brazil)",
        "People in Brazil speak Portuguese.",
    ),
    (
        r"what language do (?:they|people) speak in (?:mexico|spain|argentina|peru|chile|colombia)",
        "They speak Spanish there.",
    ),
    (
        r"what is (?:the )?(?:value of )?pi",
        "Pi is about 3.14159.",
    ),
    (
        r"what (?:day )?comes after (?:the )?(?:weekend)",
        "After the weekend comes Monday.",
    ),
    (
        r"what do (?:bees|the bees) make",
        "Bees make honey.",
    ),
    (
        r"what do (?:cows|the cows) (?:drink)",
        "Cows drink water.",
    ),
    (
        r"what is the meaning of life",
        "People disagree about that. A famous book says that it is forty two.",
    ),
    (
        r"is (?:a )?tomato a (?:fruit|vegetable)(?: or a (?:fruit|vegetable))?",
        "To a botanist a tomato is a fruit; to a cook it is a vegetable.",
    ),
    (
        r"is the earth (?:flat|round)(?: or (?:flat|round))?",
        "The Earth is round.",
    ),
    (
        r"how long does it take to boil an egg|how long do i boil an egg",
        "About six minutes for a soft egg, and ten for a hard one.",
    ),
    (
        r"what came first the chicken or the egg|which came first the chicken or the egg",
        "Eggs came first, because other animals laid them long before there were chickens.",
    ),
    (
        (
            r"what is heavier a (?:kilo|kilogram|pound|ton) of (?:feathers|steel|iron|lead|bricks) or a "
            r"(?:kilo|kilogram|pound|ton) of (?:feathers|steel|iron|lead|bricks)"
        ),
        "They weigh the same.",
    ),
)
"""Patterns that must cover the whole question, with their answers."""
